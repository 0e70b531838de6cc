using Microsoft.Extensions.Logging;

namespace StackEnv.Samples.Worker;

// The library's messages name stacks, tables and columns, and never a value.
internal static partial class Log
{
    [LoggerMessage(1, LogLevel.Information, "Request {Request} of stack {Stack}: applied, at attempt {Attempt}")]
    public static partial void Applied(ILogger logger, long request, Guid stack, int attempt);

    [LoggerMessage(2, LogLevel.Information, "Request {Request}: put back ({ErrorCode}) after attempt {Attempt}. {Problem}")]
    public static partial void PutBack(ILogger logger, long request, string errorCode, int attempt, string problem);

    [LoggerMessage(3, LogLevel.Warning, "Request {Request}: failed ({ErrorCode}), and a repeat would too. {Problem}")]
    public static partial void Failed(ILogger logger, long request, string errorCode, string problem);

    [LoggerMessage(4, LogLevel.Warning, "The database does not answer as it should ({Problem}); again in {Seconds:F1} s")]
    public static partial void DatabaseFailed(ILogger logger, string problem, double seconds);
}
