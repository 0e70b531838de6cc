using Microsoft.Extensions.Logging;

namespace StackEnv.Samples.Worker;

internal static partial class Log
{
    [LoggerMessage(1, LogLevel.Information, "Request {Request} of stack {Stack}: applied, at attempt {Attempts}")]
    public static partial void Applied(ILogger logger, long request, Guid stack, int attempts);

    [LoggerMessage(2, LogLevel.Information, "Request {Request} of stack {Stack}: refused ({ErrorCode})")]
    public static partial void Refused(ILogger logger, long request, Guid stack, string? errorCode);

    [LoggerMessage(3, LogLevel.Warning, "Request {Request} of stack {Stack}: put back ({ErrorCode}) after {Attempts} attempts")]
    public static partial void PutBack(ILogger logger, long request, Guid stack, string? errorCode, int attempts);

    [LoggerMessage(4, LogLevel.Error, "Request {Request} of stack {Stack}: given up ({ErrorCode}) after {Attempts} attempts")]
    public static partial void Failed(ILogger logger, long request, Guid stack, string? errorCode, int attempts);

    [LoggerMessage(5, LogLevel.Information, "Stack {Stack}: torn down")]
    public static partial void TornDown(ILogger logger, Guid stack);

    [LoggerMessage(6, LogLevel.Warning, "The database does not answer as it should ({Problem}); again in {Seconds:F1} s")]
    public static partial void DatabaseFailed(ILogger logger, string problem, double seconds);

    [LoggerMessage(7, LogLevel.Error, "The row of stack {Stack} cannot be merged into: {Problem}")]
    public static partial void TableUnsuitable(ILogger logger, Guid stack, string problem);
}
