using System.Net;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;

namespace StackEnv.Samples.Api.Tests;

/// <summary>What went wrong in the database is for the operator: it is in the log, and never in an answer.</summary>
public sealed class LogTests : ApiTest
{
    [Theory]
    [InlineData("ALTER TABLE stacks DROP COLUMN updated_at", """ALTER TABLE "stacks" ADD COLUMN "updated_at" """)]
    [InlineData("ALTER TABLE stacks RENAME COLUMN env_vars TO vars", """ALTER TABLE "stacks" ADD COLUMN "env_vars" """)]
    [InlineData("ALTER TABLE stacks DROP CONSTRAINT stacks_slug_key", "slug")]
    [InlineData("DROP TABLE audit_log", "AuditJournal")]
    public async Task What_is_wrong_with_the_table_reaches_the_log_and_not_the_client(string harm, string said)
    {
        await InsertAsync("shop");
        await Database.ExecuteAsync(harm);
        using var logs = new FakeLoggerProvider();
        await using var api = await RunningApi.StartAsync(Database.ConnectionString, logs);

        var answer = await api.Acme.PatchEnvAsync("shop", """{"env": {"A": "1"}}""");

        Assert.Equal(HttpStatusCode.InternalServerError, answer.StatusCode);
        Assert.Contains(
            logs.Collector.GetSnapshot(),
            record => record.Level == LogLevel.Error && record.Message.Contains(said, StringComparison.Ordinal));
        Assert.DoesNotMatch("stacks|ALTER|slug|_at|vars|udit", await answer.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task What_is_wrong_with_the_samples_own_statement_reaches_the_log_and_not_the_client()
    {
        await InsertAsync("shop");
        await Database.ExecuteAsync("ALTER TABLE stacks RENAME COLUMN env_vars TO vars");
        using var logs = new FakeLoggerProvider();
        await using var api = await RunningApi.StartAsync(Database.ConnectionString, logs);

        var answer = await api.Acme.GetAsync(new Uri("/stacks/shop/env", UriKind.Relative));

        Assert.Equal((HttpStatusCode.InternalServerError, "persist_failed"), (answer.StatusCode, await answer.ErrorAsync()));
        Assert.Contains(
            logs.Collector.GetSnapshot(),
            static record => record.Message.Contains("column \"env_vars\" does not exist", StringComparison.Ordinal));
        Assert.DoesNotContain("env_vars", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }
}
