global using StackEnv.Merge.Repository.Tests.Infrastructure;
global using StackEnv.Merge.Testing;
global using Xunit;
