namespace StackEnv.Merge.Reliability.Tests.Linearizability;

/// <summary>The few stacks of one episode, and what other sessions do to them meanwhile.</summary>
internal sealed class Stacks
{
    private static readonly Guid[] Owners = [Guid.NewGuid(), Guid.NewGuid()];

    private readonly TestDatabase _database;

    private Stacks(TestDatabase database, Guid[] ids)
    {
        _database = database;
        Ids = ids;
    }

    public IReadOnlyList<Guid> Ids { get; }

    /// <summary>The owners that stacks move between.</summary>
    public static IReadOnlyList<Guid> PossibleOwners => Owners;

    public static async Task<Stacks> InsertAsync(TestDatabase database, int count)
    {
        var ids = new Guid[count];
        for (var index = 0; index < count; index++)
        {
            ids[index] = await database.InsertAsync("""{"A": "first", "B": "first"}""", team: Owners[0]);
        }

        return new(database, ids);
    }

    /// <summary>One disturbance after another until told to stop.</summary>
    public async Task DisturbAsync(Random random, CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            await DisturbOnceAsync(Ids[random.Next(Ids.Count)], random);
            await Task.Delay(random.Next(15), CancellationToken.None);
        }
    }

    private Task DisturbOnceAsync(Guid id, Random random) => random.Next(10) switch
    {
        < 4 => TearDownForAWhileAsync(id, random.Next(12)),
        4 => _database.ExecuteAsync("UPDATE stacks SET team_id = $2 WHERE id = $1", id, Owners[random.Next(Owners.Length)]),
        5 => RemoveForAWhileAsync(id, random.Next(5)),
        _ => HoldAsync(id, random.Next(20, 60)),
    };

    private async Task TearDownForAWhileAsync(Guid id, int milliseconds)
    {
        await _database.ExecuteAsync("UPDATE stacks SET status = 'deleting' WHERE id = $1", id);
        await Task.Delay(milliseconds);
        await _database.ExecuteAsync("UPDATE stacks SET status = 'healthy' WHERE id = $1", id);
    }

    private async Task RemoveForAWhileAsync(Guid id, int milliseconds)
    {
        await _database.ExecuteAsync("DELETE FROM stacks WHERE id = $1", id);
        await Task.Delay(milliseconds);
        await _database.ExecuteAsync(
            """INSERT INTO stacks (id, team_id, slug, status, env_vars) VALUES ($1, $2, $1::text, 'building', '{"A": "again"}')""", id,
            Owners[0]);
    }

    private async Task HoldAsync(Guid id, int milliseconds)
    {
        await using (await _database.LockAsync(id))
        {
            await Task.Delay(milliseconds);
        }
    }
}
