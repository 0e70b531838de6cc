namespace StackEnv.Merge.Testing;

/// <summary>Asserts that a merge fails with one of the library's own exceptions, told apart by their public error codes.</summary>
public static class MergeFails
{
    public const string OutcomeUnknown = "outcome_unknown";
    public const string StoreError = "store_error";
    public const string UnsuitableTable = "unsuitable_table";

    /// <summary>Awaits the merge, and returns its exception if it has this code.</summary>
    public static async Task<StackEnvMergeException> WithAsync(string errorCode, Func<Task<MergeResult>> merge)
    {
        var failure = await Assert.ThrowsAnyAsync<StackEnvMergeException>(merge);
        Assert.True(
            string.Equals(errorCode, failure.ErrorCode, StringComparison.Ordinal),
            $"The error code is {failure.ErrorCode}, and {errorCode} was expected: {failure}");
        return failure;
    }

    /// <summary>Also asserts whether a retry is said to help.</summary>
    public static async Task<StackEnvMergeException> WithAsync(string errorCode, bool isTransient, Func<Task<MergeResult>> merge)
    {
        var failure = await WithAsync(errorCode, merge);
        Assert.True(isTransient == failure.IsTransient, $"IsTransient is {failure.IsTransient}: {failure}");
        return failure;
    }
}
