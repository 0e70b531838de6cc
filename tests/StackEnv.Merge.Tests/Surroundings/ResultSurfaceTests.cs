using System.Reflection;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;
using Npgsql;

namespace StackEnv.Merge.Tests.Surroundings;

/// <summary>What leaves by the public types and by the log.</summary>
public sealed class ResultSurfaceTests : SurroundingsTest
{
    public static TheoryData<JsonSerializerOptions> Serializers =>
    [
        new(JsonSerializerOptions.Default),
        new(JsonSerializerOptions.Web),
        new() { IncludeFields = true, WriteIndented = true },
    ];

    [Theory]
    [MemberData(nameof(Serializers))]
    public async Task A_result_is_serialized_without_the_set(JsonSerializerOptions options)
    {
        var id = await Database.InsertAsync($$"""{"KEPT": "{{Secret}}"}""");
        var result = await Database.Merger.MergeAsync(id, Changes(("TOKEN", Secret)));

        foreach (var json in new[]
        {
            JsonSerializer.Serialize(result, options),
            JsonSerializer.Serialize(new { result }, options),
            JsonSerializer.Serialize<object>(result, options),
        })
        {
            Assert.DoesNotContain(Secret, json, StringComparison.Ordinal);
            Assert.DoesNotContain("\"env\"", json, StringComparison.OrdinalIgnoreCase);
            Assert.DoesNotContain("KEPT", json, StringComparison.Ordinal);
            Assert.Contains("\"KeysSet\"", json, StringComparison.OrdinalIgnoreCase);
        }

        Assert.Equal(Secret, result.Env["KEPT"]);
        Assert.DoesNotContain(Secret, result.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_set_of_a_result_cannot_be_changed()
    {
        var id = await Database.InsertAsync();
        var result = await Database.Merger.MergeAsync(id, Changes(("A", "1")));

        Assert.False(result.Env is IDictionary<string, string> { IsReadOnly: false });
    }

    [Theory]
    [InlineData("op_Implicit")]
    [InlineData(nameof(StackRef.OwnedBy))]
    public void A_char_does_not_become_a_number_silently(string method)
    {
        // A char converts to a long by itself. Only a method that takes it, and that the compiler refuses, stops that.
        var takesChar = typeof(StackRef).GetMethods().SingleOrDefault(candidate =>
            string.Equals(candidate.Name, method, StringComparison.Ordinal)
                && candidate.GetParameters() is [var only]
                && only.ParameterType == typeof(char));

        Assert.NotNull(takesChar);
        Assert.True(takesChar.GetCustomAttribute<ObsoleteAttribute>()?.IsError);
    }

    [Fact]
    public async Task The_event_of_a_failed_store_says_what_failed()
    {
        var log = new FakeLogger<StackEnvMerger>();
        await using var nowhere = NpgsqlDataSource.Create("Host=127.0.0.1;Port=1");

        await Assert.ThrowsAsync<StackEnvStoreException>(
            () => new StackEnvMerger(nowhere, logger: log).MergeAsync("shop", Changes(("A", Secret))));

        AssertEvent(log, 6, "StoreFailed", LogLevel.Error, "127.0.0.1:1");
    }

    [Fact]
    public async Task The_event_of_a_refused_statement_says_what_was_refused()
    {
        var log = new FakeLogger<StackEnvMerger>();
        var id = await Database.InsertAsync();
        await using var role = await TestRole.CreateAsync(Database);
        await Database.ExecuteAsync($"GRANT SELECT ON stacks TO {role.Name}");

        await Assert.ThrowsAsync<StackEnvStoreException>(
            () => new StackEnvMerger(role.DataSource, logger: log).MergeAsync(id, Changes(("A", Secret))));

        AssertEvent(log, 6, "StoreFailed", LogLevel.Error, "permission denied for table stacks");
    }

    [Fact]
    public async Task The_event_of_a_failed_journal_names_it()
    {
        var log = new FakeLogger<StackEnvMerger>();
        var id = await Database.InsertAsync();

        var journal = new Journal(static (_, _) => throw new FormatException(Secret));
        var merger = new StackEnvMerger(Database.DataSource, logger: log, journals: [journal]);

        await Assert.ThrowsAsync<StackEnvStoreException>(() => merger.MergeAsync(id, Changes(("A", Secret))));

        AssertEvent(log, 6, "StoreFailed", LogLevel.Error, typeof(Journal).ToString());
    }

    [Fact]
    public async Task A_missing_column_is_logged_with_its_name()
    {
        var log = new FakeLogger<StackEnvMerger>();
        var id = await Database.InsertAsync();

        await Assert.ThrowsAnyAsync<StackEnvMergeException>(
            () => new StackEnvMerger(Database.DataSource, new() { StatusColumn = "state" }, log).MergeAsync(id, Changes(("A", Secret))));

        AssertEvent(log, 6, "StoreFailed", LogLevel.Error, "StatusColumn");
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("\"text\"")]
    [InlineData("7")]
    public async Task A_stored_document_that_is_not_a_set_is_a_warning_of_its_own(string stored)
    {
        var log = new FakeLogger<StackEnvMerger>();
        var id = await Database.InsertAsync(stored);

        await Assert.ThrowsAsync<StoredEnvInvalidException>(
            () => new StackEnvMerger(Database.DataSource, logger: log).MergeAsync(id, Changes(("A", "1"))));

        AssertEvent(log, 10, "StoredEnvInvalid", LogLevel.Warning, "stored_env_invalid");
    }

    [Fact]
    public async Task An_unsuitable_table_is_an_error_of_its_own()
    {
        await CreateAppAsync();
        await InsertTwinsAsync();
        var log = new FakeLogger<StackEnvMerger>();

        await Assert.ThrowsAsync<UnsuitableTableException>(() => App(logger: log).MergeAsync("shop", Changes(("A", "1"))));

        AssertEvent(log, 8, "TableUnsuitable", LogLevel.Error, "unique");
        Assert.Contains("nothing was written", log.LatestRecord.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_set_that_a_trigger_spoiled_after_the_commit_is_logged_as_an_error()
    {
        await Database.ExecuteAsync(Trigger.On("NEW.env_vars := '[]'"));
        var id = await Database.InsertAsync();
        var log = new FakeLogger<StackEnvMerger>();

        var failure = await Assert.ThrowsAsync<UnsuitableTableException>(
            () => new StackEnvMerger(Database.DataSource, logger: log).MergeAsync(id, Changes(("A", "1"))));

        Assert.True(failure.IsCommitted);
        Assert.Equal("[]", await Database.EnvAsync(id));
        AssertEvent(log, 9, "CommittedAnomaly", LogLevel.Error, "committed");
        Assert.DoesNotContain("nothing was written", log.LatestRecord.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("bad key")]
    [InlineData("MISSING")]
    public async Task What_a_caller_did_wrong_stays_information(string key)
    {
        var log = new FakeLogger<StackEnvMerger>();

        await Assert.ThrowsAnyAsync<StackEnvMergeException>(
            () => new StackEnvMerger(Database.DataSource, logger: log).MergeAsync(Guid.NewGuid(), Changes((key, "1"))));

        Assert.Equal(LogLevel.Information, log.LatestRecord.Level);
    }

    private static void AssertEvent(FakeLogger<StackEnvMerger> log, int id, string name, LogLevel level, string text)
    {
        Assert.Equal((id, name, level), (log.LatestRecord.Id.Id, log.LatestRecord.Id.Name, log.LatestRecord.Level));
        Assert.Contains(text, log.LatestRecord.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(Secret, log.LatestRecord.Message, StringComparison.Ordinal);
        Assert.Null(log.LatestRecord.Exception);
    }
}
