using System.Collections;
using System.Data;
using System.Diagnostics.CodeAnalysis;
using System.Text;
using Npgsql;
using NpgsqlTypes;
using StackEnv.Merge.Tests.Recipes;

namespace StackEnv.Merge.Tests.Surroundings;

/// <summary>
/// A journal is the host's code: whatever it throws and whatever its statements make the server say, the failure is the library's own, for
/// the stack of the merge, names the journal and shows no value. COMMIT was not sent, so the outcome is never unknown.
/// </summary>
public sealed class JournalFailureTests : SurroundingsTest, IAsyncLifetime
{
    private static readonly StackRef OtherStack = "another-stack";

    private Guid _id;

    async Task IAsyncLifetime.InitializeAsync()
    {
        await InitializeAsync();
        _id = await Database.InsertAsync($$"""{"KEPT": "{{Secret}}"}""");
    }

    public static TheoryData<string, Func<Exception>> Exceptions => new()
    {
        { "a store failure", static () => new StackEnvStoreException(OtherStack, $"It was {Secret}.", "42P01", isTransient: true) },
        {
            "a store failure with a cause",
            static () => new StackEnvStoreException(OtherStack, "It failed.", null, true, new InvalidOperationException(Secret))
        },
        { "a lock time-out", static () => new LockTimeoutException(OtherStack, TimeSpan.FromSeconds(7)) },
        { "an unknown outcome", static () => new MergeOutcomeUnknownException(OtherStack, new InvalidOperationException(Secret)) },
        { "not found", static () => new StackNotFoundException(OtherStack) },
        { "in teardown", static () => new StackDeletingException(OtherStack, Secret) },
        { "an invalid key", static () => new InvalidEnvKeyException(OtherStack, Secret) },
        { "a cancellation", static () => new OperationCanceledException(Secret) },
        { "a cancelled task", static () => new TaskCanceledException(Secret) },
        { "a time-out", static () => new TimeoutException(Secret) },
        { "a failure of the driver", static () => new NpgsqlException(Secret, new TimeoutException(Secret)) },
        { "a failure of the server", static () => new PostgresException(Secret, "FATAL", "FATAL", "57P01", detail: Secret, where: Secret) },
        { "a lost row lock", static () => new PostgresException(Secret, "ERROR", "ERROR", "55P03") },
        { "several", static () => new AggregateException(Secret, new InvalidOperationException(Secret)) },
        { "a misuse", static () => new InvalidCastException(Secret) },
        { "out of memory", static () => new InsufficientMemoryException(Secret) },
        {
            "with data",
            static () => new InvalidOperationException(Secret) { Data = { [Secret] = Secret }, HelpLink = Secret, Source = Secret }
        },
    };

    public static TheoryData<string, Func<NpgsqlParameter>> Parameters => new()
    {
        { "a value that throws", static () => new ThrowingParameter() },
        { "a value without a type", static () => new() { Value = new Shown() } },
        { "a value of another type", static () => new() { Value = Secret, NpgsqlDbType = NpgsqlDbType.Integer } },
        { "no value", static () => new() { NpgsqlDbType = NpgsqlDbType.Text } },
        { "text with a NUL", static () => new() { Value = Secret + "\0" } },
        { "text with half a character", static () => new() { Value = Secret + "\ud800" } },
        {
            "a time of the wrong kind",
            static () => new() { Value = new DateTime(2020, 1, 1, 0, 0, 0, DateTimeKind.Local), NpgsqlDbType = NpgsqlDbType.TimestampTz }
        },
        { "a list that throws while it is measured", static () => OfList(new ThrowingList(afterReads: 1)) },
        { "a list that throws while it is written, which breaks the connection", static () => OfList(new ThrowingList(afterReads: 4)) },
        { "a stream that throws at once", static () => new() { Value = new ThrowingStream(0), NpgsqlDbType = NpgsqlDbType.Bytea } },
        { "a stream that throws later", static () => new() { Value = new ThrowingStream(100_000), NpgsqlDbType = NpgsqlDbType.Bytea } },
        { "a stream that is closed", static () => Closed() },
        { "a JSON document that is none", static () => new() { Value = Secret, NpgsqlDbType = NpgsqlDbType.Jsonb } },
        { "a name without a position", static () => new("@p", Secret) },
        { "an output", static () => new() { Value = Secret, Direction = ParameterDirection.Output } },
    };

    public static TheoryData<string, string> Statements => new()
    {
        { "a cast to a table", "SELECT $1::text::regclass" },
        { "a cast to a role", "SELECT $1::text::regrole" },
        { "a cast to a number", "SELECT $1::text::int" },
        { "a setting", "SELECT current_setting($1)" },
        { "a sequence", "SELECT nextval($1::text)" },
        { "a privilege", "SELECT has_schema_privilege($1, 'usage')" },
        { "a stored value", "SELECT (env_vars->>'KEPT')::regclass FROM stacks WHERE $1 <> ''" },
        { "a file", "SELECT pg_read_file($1)" },
        { "a function", "DO $$ BEGIN RAISE EXCEPTION 'it is hunter2plantedsecret' USING ERRCODE = '42P01'; END $$; SELECT $1" },
        { "a limit", "SELECT set_config('work_mem', $1, true)" },
        { "a duplicate", "INSERT INTO taken VALUES ($1)" },
        { "a check", "INSERT INTO checked VALUES ($1)" },
    };

    /// <summary>Statements that hold the value in their own text, as those must that take no parameters.</summary>
    public static TheoryData<string> SplicedStatements =>
    [
        $"NOTIFY {Secret}, 'it''s {Secret}' {Secret}",
        $"NOTIFY channel, '{Secret}'s'",
        $"SELECT '{Secret}'::regclass",
        $"SELECT '{Secret}'::int",
        $"SET {Secret} = 1",
        $"SET ROLE {Secret}",
        $"CREATE TABLE {Secret}.t ()",
        $"SELECT nextval('{Secret}')",
        $"SELECT has_table_privilege('{Secret}', 'SELECT')",
    ];

    private static Journal Unsendable { get; } =
        new(static (_, _) => [new("SELECT $1") { Parameters = { OfList(new ThrowingList(afterReads: 1)) } }]);

    [Theory]
    [MemberData(nameof(Exceptions))]
    public async Task What_a_journal_throws_is_not_attached(string what, Func<Exception> exception)
    {
        Journal[] journals =
        [
            new((_, _) => throw exception()),
            new((_, _) => Midway(exception)),
            new((_, _) => new ThrowingCommands(exception)),
        ];
        foreach (var journal in journals)
        {
            await AssertFailsAsync(journal, what);
        }
    }

    // An exception that is transient elsewhere says nothing about the merge: the same journal would throw it again.
    [Theory]
    [MemberData(nameof(Exceptions))]
    public async Task What_a_journal_throws_is_never_transient(string what, Func<Exception> exception)
    {
        Journal[] journals =
        [
            new((_, _) => throw exception()),
            new((_, _) => Midway(exception)),
            new((_, _) =>
            [
                new("SELECT $1")
                {
                    Parameters = { new() { Value = new ThrowingStream(0, exception), NpgsqlDbType = NpgsqlDbType.Bytea } },
                },
            ]),
        ];
        foreach (var journal in journals)
        {
            var failure = await MergeFails.WithAsync(
                MergeFails.StoreError, isTransient: false, () => Database.MergerWith(journal).MergeAsync(_id, Changes(("A", "1"))));

            Assert.True(failure.Message.Contains($"The journal {typeof(Journal)} threw", StringComparison.Ordinal), $"{what}: {failure}");
        }
    }

    [Theory]
    [MemberData(nameof(Parameters))]
    public async Task What_a_parameter_throws_is_not_attached(string what, Func<NpgsqlParameter> parameter)
    {
        await AssertFailsAsync(new((_, _) => [new("SELECT 1"), new("SELECT $1") { Parameters = { parameter() } }]), what);
        await AssertFailsAsync(new((_, _) => [new("SELECT $1") { Parameters = { parameter() } }, new("SELECT 1")]), what);
    }

    [Fact]
    public async Task What_a_parameter_throws_is_named_by_its_type_alone()
    {
        var failure = await MergeFails.WithAsync(
            MergeFails.StoreError, () => Database.MergerWith(Unsendable).MergeAsync(_id, Changes(("A", "1"))));

        Assert.Contains(
            $"A command of the journal {typeof(Journal)} could not be sent. It threw System.InvalidOperationException.",
            failure.Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task Of_several_journals_whose_commands_could_not_be_sent_each_is_named_once()
    {
        var failure = await MergeFails.WithAsync(
            MergeFails.StoreError,
            () => Database.MergerWith(Unsendable, new HistoryJournal(), Unsendable).MergeAsync(_id, Changes(("A", "1"))));

        Assert.Contains(
            $"A command of the journal {typeof(Journal)} or {typeof(HistoryJournal)} could not be sent.",
            failure.Message,
            StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Statements))]
    public async Task What_the_server_says_of_a_journals_value_is_not_attached(string what, string statement)
    {
        await Database.ExecuteAsync(
            $"CREATE TABLE taken (name text PRIMARY KEY); INSERT INTO taken VALUES ('{Secret}'); CREATE TABLE checked (name text CHECK " +
            "(name = ''))");

        await AssertFailsAsync(new((_, _) => [new(statement) { Parameters = { new() { Value = Secret } } }]), what);
    }

    [Theory]
    [MemberData(nameof(SplicedStatements))]
    public Task What_the_server_says_of_a_journals_text_is_not_attached(string statement) =>
        AssertFailsAsync(new((_, _) => [new(statement)]), statement);

    [Fact]
    public async Task A_journal_that_cancels_the_merge_is_a_cancellation_or_a_failure_and_nothing_is_written()
    {
        var before = await Database.FootprintAsync(_id);
        using var cancel = new CancellationTokenSource();
        var merger = Database.MergerWith(new Journal((_, _) =>
        {
            cancel.Cancel();
            throw new OperationCanceledException(Secret, cancel.Token);
        }));

        var failure = await Record.ExceptionAsync(() => merger.MergeAsync(_id, Changes(("A", "1")), cancel.Token));

        Assert.True(failure is OperationCanceledException or StackEnvStoreException, failure?.ToString());
        Assert.DoesNotContain(Secret, $"{failure}", StringComparison.Ordinal);
        Assert.Equal(before, await Database.FootprintAsync(_id));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_journal_that_cancels_the_merge_and_returns_leaves_no_doubt_about_the_outcome(bool writes)
    {
        using var cancel = new CancellationTokenSource();
        var merger = Database.MergerWith(new Journal((_, _) =>
        {
            cancel.Cancel();
            Thread.Sleep(200); // the merge hears of it on another thread, and may not have by then
            return writes ? [new("SELECT 1")] : [];
        }));

        var failure = await Record.ExceptionAsync(() => merger.MergeAsync(_id, Changes(("A", "1")), cancel.Token));

        Assert.True(failure is null or OperationCanceledException, $"{failure}");
        Assert.Equal(failure is null, await Database.ScalarAsync<bool>("SELECT env_vars ? 'A' FROM stacks WHERE id = $1", _id));
    }

    [Fact]
    public async Task A_journal_that_returns_the_same_commands_each_time_works_or_fails_as_a_journal()
    {
        await Database.ExecuteAsync("CREATE TABLE said (text text)");
        NpgsqlBatchCommand[] shared = [new("INSERT INTO said VALUES ($1)") { Parameters = { new() { Value = "said" } } }];
        var merger = Database.MergerWith(new Journal((_, _) => shared));
        for (var turn = 0; turn < 3; turn++)
        {
            Assert.True((await merger.MergeAsync(_id, Changes(("A", $"{turn}")))).Changed);
        }

        Assert.Equal(3, await Database.ScalarAsync<long>("SELECT count(*) FROM said"));

        // At the same time they conflict, and then any failure must be a correct one.
        var stacks = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Database.InsertAsync()));
        var failures = await Task.WhenAll(Enumerable.Range(0, 80).Select(number => Task.Run(
            () => Record.ExceptionAsync(() => merger.MergeAsync(stacks[number % 8], Changes(($"K{number}", "1")))))))
            .WaitAsync(TimeSpan.FromSeconds(60));
        Assert.All(failures, static failure => Assert.True(failure is null or StackEnvMergeException, $"{failure}"));
        for (var number = 0; number < failures.Length; number++)
        {
            if (failures[number] is not MergeOutcomeUnknownException)
            {
                Assert.Equal(
                    failures[number] is null,
                    await Database.ScalarAsync<bool>("SELECT env_vars ? $2 FROM stacks WHERE id = $1", stacks[number % 8], $"K{number}"));
            }
        }
    }

    [Fact]
    public async Task A_journal_that_returns_one_command_twice_works_or_fails_as_a_journal()
    {
        await Database.ExecuteAsync("CREATE TABLE said (text text)");
        var command = new NpgsqlBatchCommand("INSERT INTO said VALUES ('said')");
        var failure = await Record.ExceptionAsync(
            () => Database.MergerWith(new Journal((_, _) => [command, command])).MergeAsync(_id, Changes(("A", "1"))));

        Assert.True(failure is null or StackEnvStoreException, $"{failure}");
        Assert.Equal(failure is null ? 2 : 0, await Database.ScalarAsync<long>("SELECT count(*) FROM said"));
    }

    [Fact]
    public async Task A_journal_that_returns_a_huge_list_works_or_fails_as_a_journal_in_time()
    {
        var journal = new Journal(static (_, _) => Enumerable.Range(0, 100_000).Select(static _ => new NpgsqlBatchCommand("SELECT 1")));
        var merger = new StackEnvMerger(Database.DataSource, new() { LockTimeout = TimeSpan.FromSeconds(1) }, journals: [journal]);

        var (failure, elapsed) = await TimeAsync(() => Record.ExceptionAsync(() => merger.MergeAsync(_id, Changes(("A", "1")))));

        Assert.True(failure is null or StackEnvStoreException, $"{failure}");
        Assert.InRange(elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(20));
        Assert.Equal(failure is null, await Database.ScalarAsync<bool>("SELECT env_vars ? 'A' FROM stacks WHERE id = $1", _id));
    }

    [Fact]
    public async Task A_journal_cannot_change_the_callers_result()
    {
        var merger = Database.MergerWith(new Journal((_, result) =>
        {
            if (result.Env is IDictionary<string, string> { IsReadOnly: false } env)
            {
                env["A"] = "forged";
                env["B"] = "forged";
            }

            return [];
        }));

        var result = await merger.MergeAsync(_id, Changes(("A", "1")));

        Assert.Equal("1", result.Env["A"]);
        Assert.Equal(2, result.Env.Count);
    }

    private static IEnumerable<NpgsqlBatchCommand> Midway(Func<Exception> exception)
    {
        yield return new("SELECT 1");
        throw exception();
    }

    private static NpgsqlParameter Closed()
    {
        var stream = new MemoryStream(Encoding.UTF8.GetBytes(Secret));
        stream.Dispose();
        return new() { Value = stream, NpgsqlDbType = NpgsqlDbType.Bytea };
    }

    private static NpgsqlParameter OfList(ThrowingList list) =>
        new() { Value = list, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text };

    private async Task AssertFailsAsync(Journal journal, string what)
    {
        var before = await Database.FootprintAsync(_id);
        using var watch = new LeakWatch(Secret, "StackEnv.Merge");
        await using var one = Database.DataSourceWith(static settings => settings.MaxPoolSize = 1);
        var merger = new StackEnvMerger(one, new() { LockTimeout = TimeSpan.FromSeconds(1) }, watch, [journal]);

        var (thrown, elapsed) = await TimeAsync(() => Record.ExceptionAsync(() => merger.MergeAsync(_id, Changes(("A", Secret)))));

        Assert.True(thrown is StackEnvStoreException, $"{what}: {thrown?.ToString() ?? "a success"}");
        var failure = Assert.IsType<StackEnvStoreException>(thrown);
        Assert.Equal((StackRef)_id, failure.Stack);
        Assert.Null(failure.InnerException);
        Assert.Empty(failure.Data);
        Assert.Contains(typeof(Journal).ToString(), failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("another-stack", failure.ToString(), StringComparison.Ordinal);
        watch.Read(failure);
        Assert.True(watch.Leaks.Count == 0, $"{what}: {string.Join(" / ", watch.Leaks)}");
        Assert.Equal(before, await Database.FootprintAsync(_id));
        Assert.InRange(elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(10));

        // The pool stays usable, and so does the merger.
        Assert.True((await new StackEnvMerger(one).MergeAsync(_id, Changes(("B", $"{Guid.NewGuid()}")))).Changed);
    }

    private sealed class ThrowingParameter : NpgsqlParameter
    {
        [AllowNull]
        public override object Value
        {
            get => throw new InvalidOperationException(Secret);
            set => base.Value = value;
        }
    }

    private sealed class Shown
    {
        public override string ToString() => Secret;
    }

    private sealed class ThrowingCommands(Func<Exception> exception) : IEnumerable<NpgsqlBatchCommand>
    {
        public IEnumerator<NpgsqlBatchCommand> GetEnumerator() => throw exception();

        IEnumerator IEnumerable.GetEnumerator() => throw exception();
    }

    private sealed class ThrowingList(int afterReads) : IList<string>
    {
        private int _reads;

        public int Count => 3;

        public bool IsReadOnly => true;

        public string this[int index]
        {
            get => _reads++ < afterReads ? "fine" : throw new InvalidOperationException(Secret);
            set => throw new NotSupportedException();
        }

        public IEnumerator<string> GetEnumerator() => throw new InvalidOperationException(Secret);

        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

        public void Add(string item) => throw new NotSupportedException();

        public void Clear() => throw new NotSupportedException();

        public bool Contains(string item) => throw new NotSupportedException();

        public void CopyTo(string[] array, int arrayIndex) => throw new InvalidOperationException(Secret);

        public int IndexOf(string item) => throw new NotSupportedException();

        public void Insert(int index, string item) => throw new NotSupportedException();

        public bool Remove(string item) => throw new NotSupportedException();

        public void RemoveAt(int index) => throw new NotSupportedException();
    }

    private sealed class ThrowingStream(int after, Func<Exception>? exception = null) : Stream
    {
        private long _position;

        public override bool CanRead => true;

        public override bool CanSeek => true;

        public override bool CanWrite => false;

        public override long Length => 200_000;

        public override long Position
        {
            get => _position;
            set => _position = value;
        }

        public override void Flush()
        {
        }

        public override int Read(byte[] buffer, int offset, int count)
        {
            if (_position >= after)
            {
                throw exception?.Invoke() ?? new IOException(Secret);
            }

            var read = (int)Math.Min(count, after - _position);
            _position += read;
            return read;
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
