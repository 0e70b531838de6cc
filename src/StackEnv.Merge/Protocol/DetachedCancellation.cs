namespace StackEnv.Merge.Protocol;

/// <summary>
/// The token that the driver gets for the caller's. On cancellation the driver connects to the server, and the caller's
/// <see cref="CancellationTokenSource.Cancel()"/> must not wait for that: <see href="https://github.com/npgsql/npgsql/issues/3696"/>.
/// </summary>
internal readonly struct DetachedCancellation : IDisposable
{
    private readonly CancellationTokenRegistration _registration;

    private DetachedCancellation(CancellationTokenRegistration registration, CancellationToken token)
    {
        _registration = registration;
        Token = token;
    }

    public CancellationToken Token { get; }

    public static DetachedCancellation Of(CancellationToken callersToken)
    {
        if (!callersToken.CanBeCanceled)
        {
            return default;
        }

#pragma warning disable CA2000 // It has no timer and no handle, and its callbacks may still run when the merge has ended.
        var source = new CancellationTokenSource();
#pragma warning restore CA2000
        var registration = callersToken.UnsafeRegister(static source => _ = ((CancellationTokenSource)source!).CancelAsync(), source);
        return new(registration, source.Token);
    }

    public void Dispose() => _registration.Dispose();
}
