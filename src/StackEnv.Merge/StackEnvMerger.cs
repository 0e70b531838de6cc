using System.Runtime.CompilerServices;
using System.Transactions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using StackEnv.Merge.Diagnostics;
using StackEnv.Merge.Protocol;

namespace StackEnv.Merge;

/// <summary>Merges on a PostgreSQL table. Thread-safe; one for each data source and set of options serves a whole process.</summary>
/// <remarks>Its spans and metrics are those of the <see cref="System.Diagnostics.ActivitySource"/> and the <see cref="System.Diagnostics.Metrics.Meter"/> named <c>StackEnv.Merge</c>.</remarks>
public sealed class StackEnvMerger : IStackEnvMerger
{
    private readonly NpgsqlDataSource _dataSource;
    private readonly MergeSettings _settings;
    private readonly MergeSql _sql;
    private readonly IStackEnvMergeJournal[] _journals;
    private readonly ILogger _logger;

    /// <summary>Makes a merger. Nothing is sent to the database yet.</summary>
    /// <param name="dataSource">
    /// Where connections come from; the caller's, and never disposed here. Of an <see cref="NpgsqlMultiHostDataSource"/> the primary is used.
    /// </param>
    /// <param name="options">Where the stacks are and what a merge may do. Copied: later changes have no effect. <see langword="null"/> for the defaults.</param>
    /// <param name="logger">Takes the events of each merge, without any key or value. <see langword="null"/> for none.</param>
    /// <param name="journals">What to commit with each merge, in this order. <see langword="null"/> or empty for nothing: a merge is one round trip then, and two otherwise.</param>
    /// <exception cref="ArgumentNullException"><paramref name="dataSource"/> is <see langword="null"/>.</exception>
    /// <exception cref="ArgumentException">An option is not valid (the message names it), or the data source is in multiplexing mode.</exception>
    public StackEnvMerger(
        NpgsqlDataSource dataSource,
        StackEnvMergeOptions? options = null,
        ILogger<StackEnvMerger>? logger = null,
        IEnumerable<IStackEnvMergeJournal>? journals = null)
    {
        ArgumentNullException.ThrowIfNull(dataSource);
        if (new NpgsqlConnectionStringBuilder(dataSource.ConnectionString).Multiplexing)
        {
            throw new ArgumentException("A merge needs a connection to itself. Use a data source without Multiplexing=true.", nameof(dataSource));
        }

        _dataSource = dataSource is NpgsqlMultiHostDataSource hosts ? hosts.WithTargetSession(TargetSessionAttributes.Primary) : dataSource;
        _settings = new(options ?? new());
        _sql = new(_settings);
        _journals = [.. journals ?? []];
        _logger = logger ?? NullLogger<StackEnvMerger>.Instance;
    }

    /// <inheritdoc/>
    public Task<MergeResult> MergeAsync(StackRef stack, IReadOnlyDictionary<string, string?> changes, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(changes);
        if (stack.IsDefault)
        {
            throw new ArgumentException(StackRef.DefaultNamesNoStack, nameof(stack));
        }

        if (_settings.RequireOwner && stack.Owner is null)
        {
            throw new ArgumentException($"{nameof(StackEnvMergeOptions)}.{nameof(StackEnvMergeOptions.RequireOwner)} is on: name the owner with {nameof(StackRef.OwnedBy)}.", nameof(stack));
        }

        if (Transaction.Current is not null)
        {
            throw new InvalidOperationException(
                "A merge commits its own transaction and cannot be part of an ambient one. Call it outside the TransactionScope, or inside one with TransactionScopeOption.Suppress.");
        }

        return ObserveAsync(stack, changes, cancellationToken);
    }

    private async Task<MergeResult> ObserveAsync(StackRef stack, IReadOnlyDictionary<string, string?> changes, CancellationToken cancellationToken)
    {
        using var observation = MergeObservation.Start(stack, _logger);
        try
        {
            var request = MergeRequest.Check(stack, changes, _settings);
            var result = await RunAsync(request, cancellationToken).ConfigureAwait(false);
            observation.Succeeded(result);
            return result;
        }
        catch (Exception failure)
        {
            observation.Failed(failure);
            throw;
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<MergeResult> RunAsync(MergeRequest request, CancellationToken cancellationToken)
    {
        var budget = new LockBudget(_settings.Limits.LockTimeout);
        var answer = await AttemptAsync(request, Guards.Conservative, budget, cancellationToken).ConfigureAwait(false);
        if (answer.IsInconclusive)
        {
            answer = await AttemptAsync(request, Guards.Exact, budget, cancellationToken).ConfigureAwait(false);
        }

        return answer.ResultOrThrow();
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<MergeAnswer> AttemptAsync(
        MergeRequest request, Guards guards, LockBudget budget, CancellationToken cancellationToken)
    {
        var connection = _dataSource.CreateConnection();
        try
        {
            await OpenAsync(connection, request, cancellationToken).ConfigureAwait(false);
            using var transaction = MergeTransaction.Create(
                connection, _sql, _settings.Limits, request, guards, budget.Left, andCommit: _journals.Length == 0);
            MergeAnswer? answer = null;
            Exception? failure = null;
            try
            {
                budget.Start();
                await transaction.RunAsync(cancellationToken).ConfigureAwait(false);
                if (_journals.Length > 0)
                {
                    answer = await JournalAsync(transaction, request, cancellationToken).ConfigureAwait(false);
                }
            }
#pragma warning disable CA1031 // Whatever is thrown, the transaction may have been committed: that is decided first.
            catch (Exception thrown)
#pragma warning restore CA1031
            {
                failure = thrown;
            }

            var outcome = CommitOutcomeRules.Decide(transaction, connection.FullState, failure);
            return (outcome, failure) switch
            {
                (_, null) => answer ?? MergeAnswer.Read(transaction, request, _settings),

                // The commit won the race against what was thrown.
                (CommitOutcome.Committed, _) => answer ?? MergeAnswer.Read(transaction, request, _settings),
                _ => throw MergeFailure.Translate(failure, outcome, transaction, budget, request, _settings.Table, cancellationToken),
            };
        }
        finally
        {
            await GiveBackAsync(connection).ConfigureAwait(false);
        }
    }

    private static async Task OpenAsync(NpgsqlConnection connection, MergeRequest request, CancellationToken cancellationToken)
    {
        try
        {
            await connection.OpenAsync(cancellationToken).ConfigureAwait(false);
        }
#pragma warning disable CA1031 // Every failure is translated, whatever its type.
        catch (Exception failure)
#pragma warning restore CA1031
        {
            throw MergeFailure.BeforeSending(failure, request, cancellationToken);
        }
    }

    private async Task<MergeAnswer> JournalAsync(MergeTransaction transaction, MergeRequest request, CancellationToken cancellationToken)
    {
        var answer = MergeAnswer.Read(transaction, request, _settings);
        if (answer.Result is { } result)
        {
            var journal = JournalEntries.Collect(_journals, request.Stack, result, _settings.Limits.Batch);
            await transaction.CommitAsync(journal, cancellationToken).ConfigureAwait(false);
        }

        return answer;
    }

    private static async Task GiveBackAsync(NpgsqlConnection connection)
    {
        try
        {
            await connection.DisposeAsync().ConfigureAwait(false);
        }
#pragma warning disable CA1031 // A failed rollback on the way back to the pool cannot change the outcome, and the driver discards that connection.
        catch (Exception)
#pragma warning restore CA1031
        {
        }
    }
}
