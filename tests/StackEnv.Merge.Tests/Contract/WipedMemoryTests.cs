using System.Buffers;
using System.Diagnostics;
using System.Text;
using Npgsql;

namespace StackEnv.Merge.Tests;

/// <summary>After a merge, however it ends, the memory that the library filled with secrets is wiped.</summary>
/// <remarks>Not the strings of the caller and of the result, and not the driver's buffers: the library cannot wipe them.</remarks>
public sealed class WipedMemoryTests : DatabaseTest
{
    private const string Secret = "planted-in-memory";
    private static readonly byte[] SecretUtf8 = Encoding.UTF8.GetBytes(Secret);

    [Theory]
    [InlineData("healthy", "{}", null)]
    [InlineData("healthy", $$"""{"TOKEN": "{{Secret}}"}""", null)]
    [InlineData("deleting", "{}", "stack_deleting")]
    [InlineData("healthy", "[]", "stored_env_invalid")]
    public async Task The_JSON_of_the_sets_is_wiped(string status, string stored, string? errorCode)
    {
        var sent = new List<byte[]>();
        using var listener = Listening();
        var settings = new NpgsqlDataSourceBuilder(Database.ConnectionString);
        settings.ConfigureTracing(options => options.ConfigureBatchEnrichmentCallback((_, batch) =>
        {
            lock (sent)
            {
                sent.AddRange(ParametersWithTheSecret(batch));
            }
        }));
        await using var dataSource = settings.Build();
        var id = await Database.InsertAsync(stored, status);

        var failure = await Record.ExceptionAsync(() => new StackEnvMerger(dataSource).MergeAsync(id, Changes(("TOKEN", Secret))));

        Assert.Equal(errorCode, (failure as StackEnvMergeException)?.ErrorCode);
        Assert.NotEmpty(sent);
        Assert.All(sent, static json => Assert.All(json, static octet => Assert.Equal(0, octet)));
    }

    [Fact]
    public async Task The_copies_of_the_stored_documents_are_wiped()
    {
        // Larger than what other tests read at the same time, so the memory is this test's.
        const int size = 200_000;
        var value = string.Concat(Enumerable.Repeat(Secret, size / Secret.Length));
        var id = await Database.InsertAsync($$"""{"TOKEN": "{{value}}"}""");
        var merger = Database.MergerWith(static options => options.MaxEnvBytes = 2 * size);
        var failing = Database.MergerWith(new Journal(static (_, _) => throw new InvalidOperationException()));
        for (var turn = 0; turn < 10; turn++)
        {
            Assert.True((await merger.MergeAsync(id, Changes(("TURN", $"{turn}")))).Changed);
            await Assert.ThrowsAnyAsync<StackEnvMergeException>(() => failing.MergeAsync(id, Changes(("FAILS", "1"))));
        }

        // An array stays in the slot of the thread that gave it back, or, when another one follows there, in the part that all share.
        var rented = Enumerable.Range(0, 100).Select(static _ => ArrayPool<byte>.Shared.Rent(size)).ToList();

        Assert.DoesNotContain(rented, static array => IsADocument(array) && array.AsSpan().IndexOf(SecretUtf8) >= 0);
    }

    // The driver takes its large buffers from the same pool. They begin with the header of a message.
    private static bool IsADocument(byte[] array) => array[0] == '{';

    private static ActivityListener Listening()
    {
        var listener = new ActivityListener
        {
            ShouldListenTo = static source => source.Name is "Npgsql",
            Sample = static (ref _) => ActivitySamplingResult.AllData,
        };
        ActivitySource.AddActivityListener(listener);
        return listener;
    }

    private static IEnumerable<byte[]> ParametersWithTheSecret(NpgsqlBatch batch) => batch.BatchCommands
        .Cast<NpgsqlBatchCommand>()
        .SelectMany(static command => command.Parameters.Select(static parameter => parameter.Value))
        .OfType<byte[]>()
        .Where(static json => json.AsSpan().IndexOf(SecretUtf8) >= 0);
}
