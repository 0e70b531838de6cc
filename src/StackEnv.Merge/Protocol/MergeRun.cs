using System.Runtime.CompilerServices;
using Npgsql;

namespace StackEnv.Merge.Protocol;

/// <summary>One merge on one open connection: runs the transaction, decides whether it was committed, and only then answers.</summary>
internal sealed class MergeRun(
    MergeContext context,
    NpgsqlConnection connection,
    MergeRequest request,
    TableFacts table,
    MergeFailure failures,
    LockBudget budget,
    CancellationToken cancellationToken)
{
    // COMMIT goes with the rest unless a journal has to be asked before it, or the rows have to be counted.
    private readonly bool _isOneBatch = context.Journals.Length == 0 && table.ProvesOneRow(request.Stack);

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<MergeResult> RunAsync()
    {
        var answer = await AttemptAsync(Guards.Conservative).ConfigureAwait(false);
        if (answer.IsInconclusive)
        {
            answer = await AttemptAsync(Guards.Exact).ConfigureAwait(false);
        }

        return answer.ResultOrThrow();
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<MergeAnswer> AttemptAsync(Guards guards)
    {
        using var transaction = new MergeTransaction(connection, context.Sql, request, table, guards, budget, _isOneBatch);
        MergeAnswer? answer = null;
        Exception? failure = null;
        try
        {
            await transaction.RunAsync(cancellationToken).ConfigureAwait(false);
            if (!_isOneBatch)
            {
                answer = await CloseAsync(transaction).ConfigureAwait(false);
            }
        }
#pragma warning disable CA1031 // Whatever is thrown, the transaction may have been committed: that is decided first.
        catch (Exception thrown)
#pragma warning restore CA1031
        {
            failure = thrown;
        }

        switch (CommitOutcomeRules.Decide(transaction, connection.FullState, failure))
        {
            case CommitOutcome.NotCommitted when failure is not null:
                if (Provenance.MessageOf(failure) is { } message)
                {
                    context.Learn(message, transaction.Reached);
                }

                throw failures.NotCommitted(failure, transaction);

            // Committed, yet something failed: the answer stands if it was read to its end, and only then.
            case CommitOutcome.Committed when !transaction.IsAnswerComplete:
            case CommitOutcome.Unknown:
                throw failures.Unknown(failure, transaction);

            default:
                return answer ?? Answer(transaction);
        }
    }

    private MergeAnswer Answer(MergeTransaction transaction)
    {
        try
        {
            return ReadAnswer(transaction);
        }
#pragma warning disable CA1031 // An answer that is not understood, or for which there is no memory, does not undo the commit.
        catch (Exception failure) when (transaction.CommitCompleted)
#pragma warning restore CA1031
        {
            throw failures.Unknown(failure, transaction);
        }
    }

    private MergeAnswer ReadAnswer(MergeTransaction transaction)
    {
        if (!transaction.IsAnswerComplete)
        {
            throw new InvalidDataException("The server wrote a row and did not return it.");
        }

        var answer = MergeAnswer.Read(transaction, request, context.Settings);
        if (answer.ShowsUnsuitableTable)
        {
            context.Table.Forget();
        }

        return answer;
    }

    private async Task<MergeAnswer> CloseAsync(MergeTransaction transaction)
    {
        var answer = ReadAnswer(transaction);
        if (answer.Result is { } result)
        {
            var journal = context.Journals.Length == 0
                ? null
                : await JournalEntries.CollectAsync(
                    context.Journals, request.Stack, result, context.Settings.Limits.Batch, cancellationToken).ConfigureAwait(false);
            await transaction.CommitAsync(journal, cancellationToken).ConfigureAwait(false);
        }
        else if (answer.IsInconclusive)
        {
            await transaction.RollBackAsync(cancellationToken).ConfigureAwait(false);
        }

        return answer;
    }
}
