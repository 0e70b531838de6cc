using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Runtime.CompilerServices;
using Npgsql;

namespace StackEnv.Merge.Tests;

/// <summary>Merges into one row wait for their turn in line, in process, and only as many as keep the row busy hold a connection.</summary>
public sealed class LineTests : DatabaseTest
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(20);
    private static readonly AsyncLocal<object?> CurrentTest = new();

    [Fact]
    public async Task Turns_come_in_the_order_of_arrival()
    {
        var id = await Database.InsertAsync();
        await using var dataSource = OneAtATime();
        var merger = PatientMerger(dataSource);
        var holder = await Database.LockAsync(id);

        var merging = Enumerable.Range(0, 10).Select(number => merger.MergeAsync(id, Changes(($"K_{number}", "v")))).ToArray();
        await holder.DisposeAsync();

        var results = await Task.WhenAll(merging);
        Assert.Equal(Enumerable.Range(1, 10), results.Select(static result => result.TotalAfter));
    }

    [Fact]
    public async Task A_cancelled_merge_leaves_the_line_at_once_and_the_others_keep_their_places()
    {
        var id = await Database.InsertAsync();
        await using var dataSource = OneAtATime();
        var merger = PatientMerger(dataSource);
        using var caller = new CancellationTokenSource();
        var holder = await Database.LockAsync(id);
        var merging = Enumerable.Range(0, 5)
            .Select(number => merger.MergeAsync(id, Changes(($"K_{number}", "v")), number == 2 ? caller.Token : CancellationToken.None))
            .ToArray();

        await caller.CancelAsync();

        var cancelled = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => merging[2].WaitAsync(Bound));
        Assert.Equal(caller.Token, cancelled.CancellationToken);
        Assert.DoesNotContain(merging, static merge => merge.IsCompletedSuccessfully);
        await holder.DisposeAsync();
        var results = await Task.WhenAll(merging.Where(static (_, number) => number != 2));
        Assert.Equal(Enumerable.Range(1, 4), results.Select(static result => result.TotalAfter));
    }

    [Fact]
    public async Task Waiting_in_line_counts_as_waiting_for_the_row_and_the_message_says_which_it_was()
    {
        var id = await Database.InsertAsync();
        await using var dataSource = OneAtATime();
        using var entered = new SemaphoreSlim(0);
        using var release = new SemaphoreSlim(0);
        var journal = new Journal((_, result) =>
        {
            if (result.Changed)
            {
                entered.Release();
                Assert.True(release.Wait(Bound));
            }

            return [];
        });
        var merger = new StackEnvMerger(dataSource, new() { LockTimeout = TimeSpan.FromSeconds(1) }, journals: [journal]);
        await merger.MergeAsync(id, Changes());
        var running = Task.Run(() => merger.MergeAsync(id, Changes(("A", "1"))));
        Assert.True(await entered.WaitAsync(Bound));

        var watch = Stopwatch.StartNew();
        var waiting = Enumerable.Range(0, 2).Select(_ => merger.MergeAsync(id, Changes(("B", "1")))).ToArray();
        var failures = await Task.WhenAll(waiting.Select(static merge => Assert.ThrowsAsync<LockTimeoutException>(() => merge)));

        Assert.InRange(watch.Elapsed, TimeSpan.FromSeconds(1), Bound);
        Assert.All(failures, static failure => Assert.Contains("other merges of this process", failure.Message, StringComparison.Ordinal));
        Assert.All(failures, static failure => Assert.Equal((true, TimeSpan.FromSeconds(1)), (failure.IsTransient, failure.LockTimeout)));
        release.Release();
        Assert.Equal((1, 1), ((await running).KeysSet, (await running).TotalAfter));
    }

    [Fact]
    public async Task Waiting_for_a_connection_does_not_count_although_the_merge_has_waited_in_line_before()
    {
        var id = await Database.InsertAsync();
        await using var dataSource = OneAtATime();
        var limit = TimeSpan.FromSeconds(5);
        var merger = new StackEnvMerger(dataSource, new() { LockTimeout = limit });
        await merger.MergeAsync(id, Changes());
        await using var taken = await dataSource.OpenConnectionAsync();
        var holder = await Database.LockAsync(id);
        var first = merger.MergeAsync(id, Changes(("A", "1")));
        var second = merger.MergeAsync(id, Changes(("B", "2")));
        var next = dataSource.OpenConnectionAsync().AsTask();
        await holder.DisposeAsync();
        await first;
        var connection = await next; // that of the first merge, which the second one waits for too

        await Task.Delay(limit);
        holder = await Database.LockAsync(id);
        await connection.DisposeAsync();
        await Database.WaitersAsync(1);
        await holder.DisposeAsync();

        Assert.True((await second).Changed);
    }

    [Fact]
    public async Task A_stuck_stack_leaves_the_pool_to_all_others()
    {
        var stuck = await Database.InsertAsync();
        var other = await Database.InsertAsync();
        await using var dataSource = Database.DataSourceWith(static settings => settings.MaxPoolSize = 20);
        var merger = PatientMerger(dataSource);
        using var callers = new CancellationTokenSource();
        await using var holder = await Database.LockAsync(stuck);

        var waiting = Enumerable.Range(0, 60).Select(_ => merger.MergeAsync(stuck, Changes(("A", "1")), callers.Token)).ToArray();
        await Database.WaitersAsync(8);
        for (var number = 0; number < 50; number++)
        {
            await merger.MergeAsync(other, Changes(("A", $"{number}"))).WaitAsync(Bound);
        }

        Assert.Equal(8, await Database.CountWaitersAsync());
        await callers.CancelAsync();
        await Task.WhenAll(waiting.Select(static merge => Assert.ThrowsAnyAsync<OperationCanceledException>(() => merge)));
    }

    [Fact]
    public async Task A_stack_that_stays_stuck_narrows_its_line()
    {
        var id = await Database.InsertAsync();
        var merger = Database.MergerWith(static options => options.LockTimeout = TimeSpan.FromMilliseconds(200));
        using var stop = new CancellationTokenSource();
        await using var holder = await Database.LockAsync(id);
        var callers = Enumerable.Range(0, 16).Select(async number =>
        {
            // One after another, so that the line is never empty: an empty one is forgotten.
            await Task.Delay(15 * number);
            while (!stop.IsCancellationRequested)
            {
                await Assert.ThrowsAsync<LockTimeoutException>(() => merger.MergeAsync(id, Changes(("A", "1"))));
            }
        }).ToArray();

        var deadline = DateTime.UtcNow + Bound;
        var calm = 0;
        while (calm < 20 && DateTime.UtcNow < deadline)
        {
            calm = await Database.CountWaitersAsync() switch
            {
                0 => calm, // all of them have just timed out
                <= 4 => calm + 1,
                _ => 0,
            };
            await Task.Delay(20);
        }

        await stop.CancelAsync();
        await Task.WhenAll(callers);
        Assert.Equal(20, calm);
    }

    // The view is slow before a merge has its lock, as a slow link is, and not after that.
    [Fact]
    public async Task A_line_widens_on_a_slow_link_and_narrows_again_when_the_row_is_busy()
    {
        var id = await Database.InsertAsync();
        await Database.ExecuteAsync(
            """
            CREATE FUNCTION is_there() RETURNS boolean LANGUAGE plpgsql VOLATILE AS
                $$ BEGIN IF pg_current_xact_id_if_assigned() IS NULL THEN PERFORM pg_sleep(0.03); END IF; RETURN true; END $$;
            CREATE VIEW far AS SELECT * FROM stacks WHERE is_there();
            """);
        await using var dataSource = Database.DataSourceWith(static settings => settings.MaxPoolSize = 40);
        var merger = new StackEnvMerger(dataSource, new() { Table = "far", LockTimeout = Bound });
        var measured = new List<(string Instrument, double Value)>();
        CurrentTest.Value = measured;
        using var listener = Listen(measured);
        using var stop = new CancellationTokenSource();
        var callers = Enumerable.Range(0, 60).Select(async number =>
        {
            for (var turn = 0; !stop.IsCancellationRequested; turn++)
            {
                await merger.MergeAsync(id, Changes(($"K_{number % 8}", $"{turn}")));
            }
        }).ToArray();

        await WidthAsync(static width => width > 16);
        await Database.ExecuteAsync(
            "CREATE OR REPLACE FUNCTION is_there() RETURNS boolean LANGUAGE plpgsql VOLATILE AS 'BEGIN RETURN true; END'");
        await WidthAsync(static width => width == 8);
        await stop.CancelAsync();
        await Task.WhenAll(callers);

        var widths = Widths();
        Assert.InRange(widths.Max(), 17, 20); // half of the pool
        Assert.InRange(widths.Min(), 8, 8);

        double[] Widths() => Values(measured, "stackenv.merge.line.width");

        async Task WidthAsync(Func<double, bool> isReached)
        {
            for (var deadline = DateTime.UtcNow + Bound; !Widths().TakeLast(1).Any(isReached);)
            {
                Assert.True(DateTime.UtcNow < deadline, $"The width stays at {Widths().LastOrDefault()}.");
                await Task.Delay(20);
            }
        }
    }

    // A wait would reveal that the stack exists.
    [Fact]
    public async Task Another_owner_of_a_stuck_stack_gets_not_found_at_once()
    {
        var team = Guid.NewGuid();
        var id = await Database.InsertAsync(team: team);
        await using var dataSource = OneAtATime();
        var merger = PatientMerger(dataSource);
        using var callers = new CancellationTokenSource();
        await using var holder = await Database.LockAsync(id);
        var waiting = Enumerable.Range(0, 5)
            .Select(_ => merger.MergeAsync(((StackRef)id).OwnedBy(team), Changes(("A", "1")), callers.Token))
            .ToArray();
        await Database.WaitersAsync(1);

        await Assert.ThrowsAsync<StackNotFoundException>(
            () => merger.MergeAsync(((StackRef)id).OwnedBy(Guid.NewGuid()), Changes(("A", "1"))).WaitAsync(Bound));

        Assert.DoesNotContain(waiting, static merge => merge.IsCompleted);
        await callers.CancelAsync();
        await Task.WhenAll(waiting.Select(static merge => Assert.ThrowsAnyAsync<OperationCanceledException>(() => merge)));
    }

    [Fact]
    public async Task Where_the_key_is_unique_only_with_the_owner_one_owner_does_not_wait_for_another()
    {
        var (one, other) = (Guid.NewGuid(), Guid.NewGuid());
        await Database.ExecuteAsync(
            """
            CREATE TABLE shops (team_id uuid, slug text, status text, env_vars jsonb, updated_at timestamptz, PRIMARY KEY (team_id, slug));
            """);
        await Database.ExecuteAsync("INSERT INTO shops VALUES ($1, 'shop', 'healthy', '{}'), ($2, 'shop', 'healthy', '{}')", one, other);
        await using var dataSource = OneAtATime();
        var merger = new StackEnvMerger(dataSource, new() { Table = "shops", KeyColumn = "slug", LockTimeout = Bound });
        await merger.MergeAsync(((StackRef)"shop").OwnedBy(one), Changes());
        var holder = await Database.HoldAsync("SELECT FROM shops WHERE team_id = $1 FOR UPDATE", one);

        var waiting = merger.MergeAsync(((StackRef)"shop").OwnedBy(one), Changes(("A", "1")));
        await Database.WaitersAsync(1);

        Assert.True((await merger.MergeAsync(((StackRef)"shop").OwnedBy(other), Changes(("A", "1"))).WaitAsync(Bound)).Changed);
        await holder.DisposeAsync();
        Assert.True((await waiting).Changed);
    }

    [Fact]
    public async Task A_caller_that_blocks_its_only_thread_gets_its_turns()
    {
        var id = await Database.InsertAsync();
        await using var dataSource = OneAtATime();
        var merger = PatientMerger(dataSource);
        var results = Array.Empty<MergeResult>();
        var thread = new Thread(() =>
        {
            SynchronizationContext.SetSynchronizationContext(new NeverRunning());
            var merging = Enumerable.Range(0, 5).Select(number => merger.MergeAsync(id, Changes(($"K_{number}", "v")))).ToArray();
#pragma warning disable xUnit1031 // Blocking is what this is about.
            results = Task.WhenAll(merging).GetAwaiter().GetResult();
#pragma warning restore xUnit1031
        })
        {
            IsBackground = true,
        };

        thread.Start();

        Assert.True(thread.Join(Bound), "The thread still waits.");
        Assert.Equal(5, results.Length);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(40)]
    public async Task A_journal_that_merges_into_its_own_stack_ends_with_a_lock_timeout(int poolSize)
    {
        var id = await Database.InsertAsync();
        await using var dataSource = Database.DataSourceWith(settings => settings.MaxPoolSize = poolSize);
        var options = new StackEnvMergeOptions { LockTimeout = TimeSpan.FromMilliseconds(300) };
        StackEnvMerger? merger = null;
        Exception? inner = null;
        merger = new(dataSource, options, journals:
        [
            new Journal((stack, _) =>
            {
                try
                {
                    inner ??= Record.ExceptionAsync(() => merger!.MergeAsync(stack, Changes(("B", "2")))).GetAwaiter().GetResult();
                }
                catch (TimeoutException)
                {
                }

                return [];
            }),
        ]);

        var result = await merger.MergeAsync(id, Changes(("A", "1"))).WaitAsync(Bound);

        Assert.IsType<LockTimeoutException>(inner);
        Assert.Equal((true, 1), (result.Changed, result.TotalAfter));
    }

    [Fact]
    public async Task Nothing_is_kept_of_a_stack_at_rest()
    {
        await using var dataSource = OneAtATime();
        var options = new StackEnvMergeOptions { KeyColumn = "slug" };
        var merger = new StackEnvMerger(dataSource, options);

        // It replaces what the driver still holds of the last commands on its connection, and nothing of the other merger.
        var other = new StackEnvMerger(dataSource, options);

        var slug = await MergeIntoANewStackAsync(merger, "rest");
        for (var number = 0; number < 3; number++)
        {
            await MergeIntoANewStackAsync(other, $"other{number}");
        }

        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
        Assert.False(slug.IsAlive);
        GC.KeepAlive(merger);
    }

    [Fact]
    public async Task The_line_shows_in_metrics_and_spans()
    {
        var measured = new List<(string Instrument, double Value)>();
        var spans = new ConcurrentQueue<Activity>(); // of the whole process
        CurrentTest.Value = measured;
        using var meters = Listen(measured);
        using var activities = new ActivityListener
        {
            ShouldListenTo = static source => source.Name is "StackEnv.Merge",
            Sample = static (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = spans.Enqueue,
        };
        ActivitySource.AddActivityListener(activities);
        var id = await Database.InsertAsync();
        await using var dataSource = OneAtATime();
        var merger = PatientMerger(dataSource);
        await merger.MergeAsync(id, Changes());
        var holder = await Database.LockAsync(id);

        var merging = Enumerable.Range(0, 2).Select(number => merger.MergeAsync(id, Changes(($"K_{number}", "v")))).ToArray();
        Assert.Equal(1, Sum("stackenv.merge.line.waiting"));
        await holder.DisposeAsync();
        await Task.WhenAll(merging);

        Assert.Equal(0, Sum("stackenv.merge.line.waiting"));
        Assert.Single(Values(measured, "stackenv.merge.line.wait"), static wait => wait > 0);
        Assert.Equal(1, Sum("stackenv.merge.line.width"));
        var waited = Assert.Single(spans, span =>
            span.GetTagItem("stackenv.merge.line.wait") is not null &&
            $"{span.GetTagItem("stackenv.stack.key")}" == $"{id}");
        Assert.Equal(1, waited.GetTagItem("stackenv.merge.line.width"));

        double Sum(string instrument) => Values(measured, instrument).Sum();
    }

    private static double[] Values(List<(string Instrument, double Value)> measured, string instrument)
    {
        lock (measured)
        {
            return [.. measured.Where(entry => entry.Instrument == instrument).Select(static entry => entry.Value)];
        }
    }

    private static MeterListener Listen(List<(string Instrument, double Value)> measured)
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
        listener.SetMeasurementEventCallback<double>((instrument, value, _, _) => Note(instrument, value));
        listener.SetMeasurementEventCallback<int>((instrument, value, _, _) => Note(instrument, value));
        listener.Start();
        return listener;

        // Instruments are the process's; this test's merges flow with its execution context.
        void Note(Instrument instrument, double value)
        {
            if (ReferenceEquals(CurrentTest.Value, measured))
            {
                lock (measured)
                {
                    measured.Add((instrument.Name, value));
                }
            }
        }
    }

    private static StackEnvMerger PatientMerger(NpgsqlDataSource dataSource) => new(dataSource, new() { LockTimeout = Bound });

    [MethodImpl(MethodImplOptions.NoInlining)]
    private async Task<WeakReference> MergeIntoANewStackAsync(StackEnvMerger merger, string name)
    {
        await Database.ExecuteAsync("INSERT INTO stacks (slug, status) VALUES ($1, 'healthy')", name);
        var slug = new string(name.AsSpan());
        await merger.MergeAsync(slug, Changes(("A", "1")));
        return new(slug);
    }

    // Of a pool of two, a line takes one.
    private NpgsqlDataSource OneAtATime() => Database.DataSourceWith(static settings => settings.MaxPoolSize = 2);

    private sealed class NeverRunning : SynchronizationContext
    {
        public override void Post(SendOrPostCallback d, object? state)
        {
        }
    }
}
