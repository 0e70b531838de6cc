global using StackEnv.Merge.Testing;
global using StackEnv.Samples.Api.Tests.Infrastructure;
global using Xunit;
