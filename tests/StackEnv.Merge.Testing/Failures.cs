namespace StackEnv.Merge.Testing;

/// <summary>One failure of each type, made as a host would make it that fakes the merger.</summary>
public static class Failures
{
    public static StackRef Stack { get; } = ((StackRef)"shop").OwnedBy(7);

    public static IReadOnlyList<StackEnvMergeException> All { get; } =
    [
        new InvalidEnvKeyException(Stack, "bad\nkey"),
        new InvalidEnvValueException(Stack, "KEY", "contains NUL (U+0000), which PostgreSQL cannot store"),
        new EnvTooLargeException(Stack, 65_537, 65_536),
        new StackNotFoundException(Stack),
        new StackDeletingException(Stack, "deleting"),
        new StackVersionException(Stack.AtVersion(17), expected: 17, actual: 18),
        new StoredEnvInvalidException(Stack),
        new LockTimeoutException(Stack, TimeSpan.FromSeconds(3)),
        new MergeOutcomeUnknownException(Stack),
        new StackEnvStoreException(
            Stack, "PostgreSQL reported SQLSTATE 53300: sorry, too many clients already.", "53300", isTransient: true),
        new UnsuitableTableException(Stack, "Column \"slug\" of \"stacks\" is not unique."),
        new UnsuitableTableException(Stack, "More than one row has this key.", isCommitted: true),
    ];
}
