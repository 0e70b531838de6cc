global using StackEnv.Merge.Tests.Infrastructure;
global using StackEnv.Samples.Api.Tests.Infrastructure;
global using Xunit;
