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
    private readonly StackEnvMergeOptions _options;
    private readonly MergeStatements _statements;
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
        _options = (options ?? new()).CopyChecked();
        _statements = new(_options);
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

        if (_options.RequireOwner && stack.Owner is null)
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
            var valid = EnvChanges.Check(stack, changes, _options);
            ThrowIfNoRowCanMatch(stack);
            var result = await RunAsync(stack, valid, cancellationToken).ConfigureAwait(false);
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
    private async ValueTask<MergeResult> RunAsync(StackRef stack, EnvChanges changes, CancellationToken cancellationToken)
    {
        var wait = new RowWait(_options.LockTimeout);
        var answer = await AttemptAsync(stack, changes, Guards.Quick, wait, cancellationToken).ConfigureAwait(false);
        if (answer.IsOpen)
        {
            answer = await AttemptAsync(stack, changes, Guards.Exact, wait, cancellationToken).ConfigureAwait(false);
        }

        return answer.ResultOrThrow();
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<MergeAnswer> AttemptAsync(StackRef stack, EnvChanges changes, Guards guards, RowWait wait, CancellationToken cancellationToken)
    {
        MergeTransaction? transaction = null;
        MergeAnswer? answer = null;
        Exception? failure = null;
        var connection = _dataSource.CreateConnection();
        try
        {
            await connection.OpenAsync(cancellationToken).ConfigureAwait(false);
            transaction = _statements.CreateTransaction(connection, stack, changes, guards, wait.Left, andCommit: _journals.Length == 0);
            wait.Start();
            await transaction.RunAsync(cancellationToken).ConfigureAwait(false);
            if (_journals.Length > 0)
            {
                answer = MergeAnswer.Read(transaction, stack, changes, _options);
                if (answer.Result is { } result)
                {
                    var journal = JournalEntries.Collect(_journals, stack, result, _statements.BatchTimeout);
                    await transaction.CommitAsync(journal, _statements.BatchTimeout, cancellationToken).ConfigureAwait(false);
                }
            }
        }
#pragma warning disable CA1031 // Whatever is thrown, the transaction may have been committed: that is decided first.
        catch (Exception thrown)
#pragma warning restore CA1031
        {
            failure = thrown;
        }

        using (transaction)
        {
            var outcome = MergeOutcomeRules.Decide(transaction, connection.FullState, failure);
            await GiveBackAsync(connection).ConfigureAwait(false);
            return outcome != MergeOutcome.Committed && failure is not null
                ? throw MergeFailure.Translate(failure, outcome, transaction, wait, stack, _options, cancellationToken)
                : answer ?? MergeAnswer.Read(transaction!, stack, changes, _options);
        }
    }

    // A slug often comes straight from a URL. What PostgreSQL cannot store, it cannot have stored.
    private static void ThrowIfNoRowCanMatch(StackRef stack)
    {
        if ((stack.Key is string key && !PostgresText.CanStore(key)) || (stack.Owner is string owner && !PostgresText.CanStore(owner)))
        {
            throw new StackNotFoundException(stack);
        }
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
