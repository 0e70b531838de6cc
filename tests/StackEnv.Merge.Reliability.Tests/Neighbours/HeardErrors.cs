using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using Npgsql;

namespace StackEnv.Merge.Reliability.Tests.Neighbours;

/// <summary>
/// Records every ErrorResponse that the driver reads on behalf of one test. The library does not attach them to its own exceptions, so this
/// is how a test sees which fields a pooler fills in.
/// </summary>
internal sealed class HeardErrors : IDisposable
{
    private static readonly AsyncLocal<HeardErrors?> Current = new();

    private readonly ConcurrentQueue<PostgresException> _errors = new();
    private readonly ITestOutputHelper _output;

    public HeardErrors(ITestOutputHelper output)
    {
        _output = output;
        Current.Value = this;
        AppDomain.CurrentDomain.FirstChanceException += Record;
    }

    /// <summary>All of them so far, in order.</summary>
    public IReadOnlyCollection<PostgresException> All => _errors;

    /// <summary>Those that PostgreSQL itself did not write.</summary>
    public IEnumerable<PostgresException> Poolers => _errors.Where(static error => string.IsNullOrEmpty(error.Routine));

    /// <summary>The last one.</summary>
    public PostgresException Last => _errors.LastOrDefault() ?? throw new InvalidOperationException("No ErrorResponse was read.");

    public void Dispose() => AppDomain.CurrentDomain.FirstChanceException -= Record;

    private void Record(object? sender, FirstChanceExceptionEventArgs thrown)
    {
        // An exception that is thrown again on its way up comes here again.
        if (Current.Value == this && thrown.Exception is PostgresException error && !_errors.Contains(error))
        {
            _errors.Enqueue(error);
            _output.WriteLine(
                $"ErrorResponse: {error.Severity} {error.SqlState} \"{error.MessageText}\" Detail=\"{error.Detail}\" " +
                $"Routine=\"{error.Routine}\" File=\"{error.File}\"");
        }
    }
}
