global using StackEnv.Merge.Testing;
global using Xunit;
