global using StackEnv.Merge.Tests.Infrastructure;
global using Xunit;
