namespace StackEnv.Merge.Reliability.Tests.Linearizability;

/// <summary>
/// Whether one row's history explains what its callers were told. The model says what a merge does to a state; each answer has to be what
/// the model says of a state that was the row's at some moment between call and answer.
/// </summary>
internal sealed class HistoryCheck
{
    private readonly IReadOnlyList<RowVersion> _versions;
    private readonly IReadOnlyList<Operation> _operations;
    private readonly HashSet<string> _callers;

    /// <param name="versions">All versions of the row in the order of their commits.</param>
    /// <param name="operations">All merges into it.</param>
    /// <param name="callers">The writers that are callers of merges and nothing else.</param>
    public HistoryCheck(IReadOnlyList<RowVersion> versions, IReadOnlyList<Operation> operations, IEnumerable<string> callers)
    {
        _versions = versions;
        _operations = operations;
        _callers = [.. callers];
    }

    /// <summary>
    /// Each answer that the history does not explain, and each write that no answer accounts for, which has no operation.
    /// </summary>
    public IEnumerable<(Operation? Operation, string Text)> Unexplained()
    {
        var accountedFor = new HashSet<int>();
        foreach (var operation in _operations)
        {
            // A caller waits for one answer before it asks again, so that what it wrote within these limits is this merge's.
            var written = Within(operation).Where(index => _versions[index].Writer == operation.Caller).ToList();
            accountedFor.UnionWith(written);
            if (!IsExplained(operation, written))
            {
                yield return (operation, $"{operation}{string.Concat(Around(operation).Select(static version => $"\n      {version}"))}");
            }
        }

        for (var index = 0; index < _versions.Count; index++)
        {
            if (_callers.Contains(_versions[index].Writer) ? !accountedFor.Contains(index) : !LeavesTheSetAlone(index))
            {
                yield return (null, $"No caller was told of {_versions[index]}, after {Before(index)}");
            }
        }
    }

    private bool IsExplained(Operation operation, List<int> written) => (operation.Told.Code, written) switch
    {
        ("committed", [var index]) =>
            MergeModel.Apply(operation.Request, Before(index)) is var (told, after)
                && told == operation.Told
                && after == _versions[index].State,

        ("outcome_unknown", [var index]) =>
            MergeModel.Apply(operation.Request, Before(index)) is ({ Code: "committed" }, var after) && after == _versions[index].State,

        ("unchanged" or "stack_deleting" or "version_mismatch" or "env_too_large" or "not_found", []) =>
            StatesDuring(operation).Any(state => MergeModel.Apply(operation.Request, state).Told == operation.Told),

        ("lock_timeout", []) => operation.Elapsed >= operation.Request.LockTimeout,
        ("cancelled", []) => operation.Request.CancelAfter is not null,

        // A cancel that comes late hits the next merge on the connection, or the reset before it. That one fails, and has written nothing.
        ("store_error", []) => true,
        ("outcome_unknown", []) => true,
        _ => false,
    };

    // Other sessions change the owner and the status, and remove and insert rows: the set and its version are the merges' own.
    private bool LeavesTheSetAlone(int index) =>
        Before(index) is not { } before || _versions[index].State is not { } after ||
        (before.Env == after.Env && before.Version == after.Version);

    private StackState? Before(int index) => index == 0 ? null : _versions[index - 1].State;

    private IEnumerable<int> Within(Operation operation)
    {
        for (var index = 0; index < _versions.Count; index++)
        {
            if (_versions[index].Version > operation.Earliest && _versions[index].Version <= operation.Latest)
            {
                yield return index;
            }
        }
    }

    private IEnumerable<StackState?> StatesDuring(Operation operation) =>
        Within(operation).Select(index => _versions[index].State).Prepend(
            _versions.LastOrDefault(version => version.Version <= operation.Earliest)?.State);

    private IEnumerable<RowVersion> Around(Operation operation) =>
        _versions.Where(version => version.Version <= operation.Earliest).TakeLast(1).Concat(
            Within(operation).Select(index => _versions[index]));
}
