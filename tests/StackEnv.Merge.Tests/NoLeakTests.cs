using System.Collections;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Globalization;
using System.Reflection;
using System.Text;
using Microsoft.Extensions.Logging.Testing;
using Npgsql;

namespace StackEnv.Merge.Tests;

/// <summary>A planted secret comes out by no side door: not in an exception, a log line, a span or a metric, whatever goes wrong.</summary>
/// <remarks>Error detail is on in the connection string, so that the server's own messages do hold it.</remarks>
public sealed class NoLeakTests : DatabaseTest
{
    private const string Secret = "hunter2-planted-secret";

    private static readonly string[] EveryErrorCode =
    [
        "invalid_env_key", "invalid_env_value", "env_too_large", "not_found", "stack_deleting", "stored_env_invalid", "lock_timeout", "outcome_unknown", "store_error",
    ];

    [Fact]
    public async Task No_failure_and_no_success_shows_a_value()
    {
        var seen = new StringBuilder();
        var codes = new HashSet<string>(StringComparer.Ordinal);
        using var spans = ListenToSpans(seen);
        using var metrics = ListenToMetrics(seen);
        var logger = new FakeLogger<StackEnvMerger>();
        var stored = $$"""{"TOKEN": "{{Secret}}", "OLD": "{{Secret}}"}""";
        var stack = await Database.InsertAsync(stored);
        var changes = Changes(("TOKEN", Secret + "-new"), ("OLD", null));

        async Task FailAsync(StackRef on, Dictionary<string, string?> with, Action<StackEnvMergeOptions>? configure = null, NpgsqlDataSource? dataSource = null, CancellationToken cancellationToken = default)
        {
            var options = new StackEnvMergeOptions { LockTimeout = TimeSpan.FromMilliseconds(100) };
            configure?.Invoke(options);
            var failure = await Assert.ThrowsAnyAsync<Exception>(() => new StackEnvMerger(dataSource ?? Database.DataSource, options, logger).MergeAsync(on, with, cancellationToken));
            codes.Add((failure as StackEnvMergeException)?.ErrorCode ?? failure.GetType().Name);
            Describe(failure, seen);
        }

        // Before any I/O.
        await FailAsync(stack, Changes(("TOKEN", Secret), ("bad key", Secret)));
        await FailAsync(stack, Changes(("TOKEN", Secret + "\0")));
        await FailAsync(stack, Changes(("TOKEN", Secret + "\ud800")));
        await FailAsync(stack, Changes(("TOKEN", Secret + new string('x', 70_000))));

        // Decided by the guards.
        await FailAsync(Guid.NewGuid(), changes);
        await FailAsync(((StackRef)stack).OwnedBy(Guid.NewGuid()), changes);
        await FailAsync(await Database.InsertAsync(stored, status: "deleting"), changes);
        await FailAsync(await Database.InsertAsync($"[\"{Secret}\"]"), changes);
        await FailAsync(stack, Changes(("MORE", Secret)), static options => options.MaxEnvBytes = 60);

        // The wait for the row.
        await using (await Database.LockAsync(stack))
        {
            await FailAsync(stack, changes);
            using var cancel = new CancellationTokenSource(TimeSpan.FromMilliseconds(50));
            await FailAsync(stack, changes, static options => options.LockTimeout = TimeSpan.FromSeconds(30), cancellationToken: cancel.Token);
        }

        // The connection.
        var (proxy, proxied) = WireProxy.InFrontOf(Database);
        await using (proxy)
        {
            await using (proxied)
            {
                proxy.CutBeforeServerSends("COMMIT"u8);
                await FailAsync(stack, changes, dataSource: proxied);
            }
        }

        await using (var nowhere = NpgsqlDataSource.Create("Host=127.0.0.1;Port=1"))
        {
            await FailAsync(stack, changes, dataSource: nowhere);
        }

        // What the schema can do, to the point that the driver gives up the connection: each of these makes PostgreSQL itself quote the value, in its message, its detail or its context.
        await FailAsync(stack, changes, static options => options.EnvVarsColumn = "envvars");
        await FailAsync(stack, changes, static options => options.Table = "nowhere");
        foreach (var sqlState in new[] { "P0001", "22P05", "23514", "42501", "55000", "57014", "57P01", "40001", "53100", "XX000" })
        {
            await FailUnderTriggerAsync($"RAISE EXCEPTION 'the set is %', NEW.env_vars USING ERRCODE = '{sqlState}', DETAIL = NEW.env_vars::text, HINT = NEW.env_vars::text, CONSTRAINT = 'no_' || (NEW.env_vars->>'TOKEN')");
        }

        await FailUnderTriggerAsync("RETURN NULL");
        await FailUnderTriggerAsync("NEW.env_vars := to_jsonb(NEW.env_vars::text); RETURN NEW");
        await Database.ExecuteAsync("ALTER TABLE stacks ADD CONSTRAINT never CHECK (NOT env_vars ? 'NEVER')");
        await FailAsync(stack, Changes(("NEVER", Secret)));
        await Database.ExecuteAsync("ALTER TABLE stacks ADD COLUMN copy text GENERATED ALWAYS AS (env_vars->>'NUMBER') STORED, ADD COLUMN number int GENERATED ALWAYS AS ((env_vars->>'NUMBER')::int) STORED");
        await FailAsync(stack, Changes(("NUMBER", Secret)));

        // And a success. Its set is the one way by which values come out.
        var result = await new StackEnvMerger(Database.DataSource, null, logger).MergeAsync(stack, Changes(("FINE", Secret)));
        seen.AppendLine(result.ToString());

        foreach (var record in logger.Collector.GetSnapshot())
        {
            seen.AppendLine(record.Message).AppendJoin(' ', record.StructuredState!.Select(static field => $"{field.Key}={field.Value}")).AppendLine();
            Assert.Null(record.Exception);
        }

        Assert.Superset(EveryErrorCode.ToHashSet(StringComparer.Ordinal), codes);
        Assert.Contains("stackenv.merge.outcome=committed", seen.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain(Secret, seen.ToString(), StringComparison.Ordinal);

        async Task FailUnderTriggerAsync(string body)
        {
            await Database.ExecuteAsync($"CREATE OR REPLACE FUNCTION act() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body}; END $$");
            await Database.ExecuteAsync("CREATE TRIGGER act BEFORE UPDATE ON stacks FOR EACH ROW EXECUTE FUNCTION act()");
            await FailAsync(await Database.InsertAsync(stored), changes);
            await Database.ExecuteAsync("DROP TRIGGER act ON stacks");
        }
    }

    // Everything that a host might print: messages, texts, data and every public property, through the whole chain.
    private static void Describe(Exception failure, StringBuilder seen)
    {
        seen.AppendLine(failure.ToString());
        for (var cause = failure; cause is not null; cause = cause.InnerException)
        {
            Assert.IsNotType<PostgresException>(cause);
            seen.AppendLine(cause.Message);
            foreach (DictionaryEntry entry in cause.Data)
            {
                seen.AppendLine(CultureInfo.InvariantCulture, $"{entry.Key}={entry.Value}");
            }

            foreach (var property in cause.GetType().GetProperties(BindingFlags.Public | BindingFlags.Instance))
            {
                seen.AppendLine(CultureInfo.InvariantCulture, $"{property.Name}={property.GetValue(cause)}");
            }
        }
    }

    private static ActivityListener ListenToSpans(StringBuilder seen)
    {
        var listener = new ActivityListener
        {
            ShouldListenTo = static source => source.Name is "StackEnv.Merge",
            Sample = static (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = span =>
            {
                lock (seen)
                {
                    seen.Append(span.DisplayName).Append(' ').Append(span.StatusDescription).Append(' ')
                        .AppendJoin(' ', span.TagObjects.Select(static tag => $"{tag.Key}={tag.Value}"))
                        .AppendJoin(' ', span.Events.Select(static @event => @event.Name))
                        .AppendJoin(' ', span.Baggage.Select(static item => $"{item.Key}={item.Value}"))
                        .AppendLine();
                }
            },
        };
        ActivitySource.AddActivityListener(listener);
        return listener;
    }

    private static MeterListener ListenToMetrics(StringBuilder seen)
    {
        var listener = new MeterListener
        {
            InstrumentPublished = static (instrument, listener) =>
            {
                if (instrument.Meter.Name is "StackEnv.Merge")
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            },
        };
        listener.SetMeasurementEventCallback<double>((_, _, tags, _) => Note(tags));
        listener.SetMeasurementEventCallback<long>((_, _, tags, _) => Note(tags));
        listener.Start();
        return listener;

        void Note(ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            lock (seen)
            {
                foreach (var tag in tags)
                {
                    seen.AppendLine(CultureInfo.InvariantCulture, $"{tag.Key}={tag.Value}");
                }
            }
        }
    }
}
