global using StackEnv.Merge.Testing;
global using StackEnv.Merge.Tests.Infrastructure;
global using Xunit;
