global using StackEnv.Merge.Testing;
global using Xunit;
global using Xunit.Abstractions;
