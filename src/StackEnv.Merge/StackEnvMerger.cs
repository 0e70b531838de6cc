using System.Transactions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using StackEnv.Merge.Diagnostics;
using StackEnv.Merge.Protocol;

namespace StackEnv.Merge;

/// <summary>
/// Merges on a PostgreSQL table. It is thread-safe: one instance for each data source and set of options serves a whole process.
/// </summary>
/// <remarks>
/// <para>
/// Merges of one stack get their turns in the order in which they came. Only as many as keep the row busy hold a connection: at most
/// half of the pool, or eight connections of a small one. The others wait in this process, and that wait counts into
/// <see cref="StackEnvMergeOptions.LockTimeout"/>. Two mergers do not share their lines, so use one for each table.
/// </para>
/// <para>
/// <see cref="StackEnvMergeTelemetry"/> has the names of the spans and metrics. A logger or a listener that throws changes no outcome.
/// </para>
/// </remarks>
public sealed class StackEnvMerger : IStackEnvMerger
{
    private readonly MergeSettings _settings;
    private readonly MergeEngine _engine;
    private readonly ILogger _logger;

    /// <summary>
    /// Initializes a new instance of the merger. Nothing is sent to the database yet: the first merge checks the table.
    /// </summary>
    /// <param name="dataSource">
    /// The source of connections. The caller owns it, and the merger never disposes it. Of an <see cref="NpgsqlMultiHostDataSource"/> the
    /// primary is used.
    /// </param>
    /// <param name="options">
    /// Where the stacks are and what a merge may do. They are copied, so later changes have no effect. <see langword="null"/> for the
    /// defaults.
    /// </param>
    /// <param name="logger">
    /// The logger of the events of each merge, none of which has a key or a value. <see langword="null"/> for none.
    /// </param>
    /// <param name="journals">
    /// What to commit with each merge, in this order. With at least one, a merge takes two round trips. <see langword="null"/> or empty for
    /// nothing.
    /// </param>
    /// <exception cref="ArgumentNullException"><paramref name="dataSource"/> is <see langword="null"/>.</exception>
    /// <exception cref="ArgumentException">
    /// An option is not valid (the message names it), or the data source is in multiplexing mode.
    /// </exception>
    public StackEnvMerger(
        NpgsqlDataSource dataSource,
        StackEnvMergeOptions? options = null,
        ILogger<StackEnvMerger>? logger = null,
        IEnumerable<IStackEnvMergeJournal>? journals = null)
    {
        ArgumentNullException.ThrowIfNull(dataSource);
        var connectionString = new NpgsqlConnectionStringBuilder(dataSource.ConnectionString);
        if (connectionString.Multiplexing)
        {
            throw new ArgumentException(
                "A merge needs a connection to itself. Use a data source without Multiplexing=true.", nameof(dataSource));
        }

        _settings = new(options ?? new());
        _engine = new(new(dataSource, connectionString, _settings, [.. journals ?? []]));
        _logger = logger ?? NullLogger<StackEnvMerger>.Instance;
    }

    /// <inheritdoc/>
    public Task<MergeResult> MergeAsync(
        StackRef stack, IReadOnlyDictionary<string, string?> changes, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(changes);
        if (stack.IsDefault)
        {
            throw new ArgumentException(StackRef.DefaultNamesNoStack, nameof(stack));
        }

        if (_settings.RequireOwner && stack.Owner is null)
        {
            throw new ArgumentException(
                $"{nameof(StackEnvMergeOptions)}.{nameof(StackEnvMergeOptions.RequireOwner)} is on: name the owner with " +
                $"{nameof(StackRef.OwnedBy)}.",
                nameof(stack));
        }

        if (stack.Version is not null && _settings.Table.Version is null)
        {
            throw new ArgumentException(
                $"{nameof(StackRef.AtVersion)} needs {nameof(StackEnvMergeOptions)}.{nameof(StackEnvMergeOptions.VersionColumn)}: " +
                "name a bigint column.",
                nameof(stack));
        }

        if (Transaction.Current is not null)
        {
            throw new InvalidOperationException(
                "A merge commits its own transaction and cannot be part of an ambient one. Call it outside the TransactionScope, or " +
                "inside one with TransactionScopeOption.Suppress.");
        }

        return ObserveAsync(stack, changes, cancellationToken);
    }

    private async Task<MergeResult> ObserveAsync(
        StackRef stack, IReadOnlyDictionary<string, string?> changes, CancellationToken cancellationToken)
    {
        using var observation = MergeObservation.Start(stack, _logger);
        try
        {
            using var request = MergeRequest.Check(stack, changes, _settings);
            var turn = _engine.TakeTurn(stack);
            if (turn.IsInLine)
            {
                await WaitInLineAsync(turn, request, observation, cancellationToken).ConfigureAwait(false);
            }

            var result = await _engine.MergeAsync(request, turn, cancellationToken).ConfigureAwait(false);
            observation.Succeeded(result);
            return result;
        }
        catch (Exception failure)
        {
            observation.Failed(failure);
            throw;
        }
    }

    private async Task WaitInLineAsync(
        MergeTurn turn, MergeRequest request, MergeObservation observation, CancellationToken cancellationToken)
    {
        MergeObservation.EnteredLine();
        try
        {
            await _engine.WaitAsync(turn, request, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            observation.LeftLine(turn.Budget.Spent, turn.Line.Width);
        }
    }
}
