using Npgsql;

namespace StackEnv.Merge.Reliability.Tests.Faults;

/// <summary>
/// The driver takes a statement for prepared that the session does not have. That is so after DEALLOCATE ALL, and after an error in the
/// middle of a result while the statements after it are being prepared.
/// </summary>
public sealed class LostStatementTests : DatabaseTest
{
    [Fact]
    public async Task The_merge_is_transient_and_its_connection_does_not_return_to_the_pool()
    {
        var id = await Database.InsertAsync();
        await using var dataSource = Database.DataSourceWith(
            static settings => (settings.MaxAutoPrepare, settings.AutoPrepareMinUsages, settings.MaxPoolSize) = (20, 2, 1));
        var merger = new StackEnvMerger(dataSource);
        for (var turn = 0; turn < 3; turn++)
        {
            await merger.MergeAsync(id, Changes(("A", $"{turn}")));
        }

        await using (var deallocate = dataSource.CreateCommand("DEALLOCATE ALL"))
        {
            await deallocate.ExecuteNonQueryAsync();
        }

        var failure = Assert.IsType<StackEnvStoreException>(
            await MergeFails.WithAsync(MergeFails.StoreError, isTransient: true, () => merger.MergeAsync(id, Changes(("A", "lost")))));
        Assert.Equal(PostgresErrorCodes.InvalidSqlStatementName, failure.SqlState);
        Assert.Equal("""{"A": "2"}""", await Database.EnvAsync(id));

        Assert.True((await merger.MergeAsync(id, Changes(("A", "next")))).Changed);
    }
}
