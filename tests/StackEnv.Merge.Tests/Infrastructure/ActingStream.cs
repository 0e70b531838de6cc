namespace StackEnv.Merge.Tests.Infrastructure;

/// <summary>A journal's stream of one byte that acts when it is copied, which is when the library reads it.</summary>
internal sealed class ActingStream(Action act) : MemoryStream([1])
{
    public override Task CopyToAsync(Stream destination, int bufferSize, CancellationToken cancellationToken)
    {
        act();
        return base.CopyToAsync(destination, bufferSize, cancellationToken);
    }
}
