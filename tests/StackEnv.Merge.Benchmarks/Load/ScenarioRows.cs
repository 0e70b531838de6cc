using System.Globalization;
using System.Text.Json;

namespace StackEnv.Merge.Benchmarks.Load;

/// <summary>Which rows the callers of a scenario merge into, and what these hold at the beginning.</summary>
internal sealed class ScenarioRows
{
    private readonly Scenario _scenario;
    private readonly Dictionary<string, string> _unchanging;

    public ScenarioRows(Scenario scenario)
    {
        _scenario = scenario;
        var writers = scenario.Hot ? Math.Min(scenario.Callers, Caller.MostWriters) : 1;
        var random = new Random(42);
        _unchanging = Enumerable.Range(0, Math.Max(0, scenario.Keys - (writers * Caller.OwnKeys))).ToDictionary(
            static number => string.Create(CultureInfo.InvariantCulture, $"SETTING_{number:D4}"),
            _ =>
                Convert.ToHexString(
                    [.. Enumerable.Range(0, (scenario.ValueLength + 1) / 2).Select(_ => (byte)random.Next(256))])[..scenario.ValueLength],
            StringComparer.Ordinal);
        KeysOfASet = _unchanging.Count + (writers * Caller.OwnKeys);
    }

    /// <summary>How many keys each of the rows has, before and after.</summary>
    public int KeysOfASet { get; }

    /// <summary>How large the sets are, as JSON.</summary>
    public int BytesOfASet => JsonSerializer.SerializeToUtf8Bytes(InitialSetOf(0)).Length;

    public IEnumerable<int> Callers => Enumerable.Range(0, _scenario.Callers);

    /// <summary>The rows of one caller, spread over the whole table.</summary>
    public IReadOnlyList<Guid> RowsOf(int caller)
    {
        var rows = _scenario.Hot ? 1 : _scenario.Callers * _scenario.RowsPerCaller;
        return
        [
            .. from turn in Enumerable.Range(0, _scenario.RowsPerCaller)
               let row = _scenario.Hot ? 0 : (turn * _scenario.Callers) + caller
               select StacksDatabase.IdOf((int)((long)row * _scenario.TableRows / rows)),
        ];
    }

    /// <summary>The set of a caller's rows before anyone has merged.</summary>
    public Dictionary<string, string> InitialSetOf(int caller)
    {
        var set = new Dictionary<string, string>(_unchanging, StringComparer.Ordinal);
        foreach (var (key, value) in (_scenario.Hot ? Callers.Take(Caller.MostWriters) : [caller]).SelectMany(Caller.InitialKeys))
        {
            set.Add(key, value);
        }

        return set;
    }

    /// <summary>Puts the rows into their initial state, and makes the callers that know it.</summary>
    public async Task<IReadOnlyList<Caller>> ResetAsync(StacksDatabase database)
    {
        foreach (var caller in _scenario.Hot ? [0] : Callers)
        {
            await database.SetAsync(RowsOf(caller), JsonSerializer.Serialize(InitialSetOf(caller)));
        }

        await database.VacuumAsync();
        var sharesKeys = _scenario.Hot && _scenario.Callers > Caller.MostWriters;
        return [.. Callers.Select(caller => new Caller(caller, RowsOf(caller), KeysOfASet, sharesKeys))];
    }

    /// <summary>Checks that each row holds all that its callers wrote last, and everything that none of them changed.</summary>
    public async Task VerifyAsync(StacksDatabase database, IReadOnlyList<Caller> callers)
    {
        var byRow = callers
            .SelectMany(static caller => caller.Rows.Index(), static (caller, row) => (Caller: caller, Row: row.Item, row.Index))
            .ToLookup(static place => place.Row);
        var stored = await database.EnvsAsync([.. byRow.Select(static row => row.Key)]);
        foreach (var row in byRow)
        {
            var set = JsonSerializer.Deserialize<Dictionary<string, string>>(stored[row.Key])!;
            var byKey = row.GroupBy(static place => place.Caller.KeyOfEveryMerge, StringComparer.Ordinal);
            if (set.Count != KeysOfASet
                || _unchanging.Any(pair => set.GetValueOrDefault(pair.Key) != pair.Value)
                || !byKey.All(writers => writers.Any(place => place.Caller.WroteLast(place.Index, set))))
            {
                throw new WrongRowException($"Stack {row.Key} does not hold what its callers wrote last.");
            }
        }
    }
}
