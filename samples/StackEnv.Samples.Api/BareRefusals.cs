using System.Globalization;
using System.IO.Pipelines;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace StackEnv.Samples.Api;

/// <summary>
/// Kestrel itself refuses what it cannot parse (a path with %00, a header that is too long) with a bare status, and no middleware sees the
/// request. This adds problem details to those answers on the way out.
/// </summary>
internal static class BareRefusals
{
    private const string NoBody = "\r\nContent-Length: 0\r\nConnection: close\r\n";

    public static void DescribeRefusals(this ListenOptions endpoint) => endpoint.Use(static next => connection =>
    {
        connection.Transport = new Transport(connection.Transport.Input, new Describing(connection.Transport.Output));
        return next(connection);
    });

    private static int Describe(Span<byte> answer, int length)
    {
        var head = Encoding.ASCII.GetString(answer[..length]);
        if (head is not ['H', _, _, _, _, _, _, _, _, '4' or '5', ..] || !head.Contains(NoBody, StringComparison.Ordinal))
        {
            return length;
        }

        var problem = Problem.InvalidRequest(int.Parse(head.AsSpan(9, 3), CultureInfo.InvariantCulture));
        var body = JsonSerializer.Serialize(problem, ApiHost.Json);
        var added = $"\r\nContent-Type: {Problem.ContentType}\r\nContent-Length: {body.Length}\r\nConnection: close\r\n";
        return Encoding.ASCII.GetBytes(head.Replace(NoBody, added, StringComparison.Ordinal) + body, answer);
    }

    private sealed record Transport(PipeReader Input, PipeWriter Output) : IDuplexPipe;

    private sealed class Describing(PipeWriter inner) : PipeWriter
    {
        private const int LongestRefusal = 256;
        private Memory<byte> _memory;

        public override bool CanGetUnflushedBytes => inner.CanGetUnflushedBytes;
        public override long UnflushedBytes => inner.UnflushedBytes;

        public override Memory<byte> GetMemory(int sizeHint = 0) => _memory = inner.GetMemory(Math.Max(sizeHint, 4 * LongestRefusal));

        public override Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;

        // Kestrel writes the head of an answer in one piece.
        public override void Advance(int bytes) => inner.Advance(bytes <= LongestRefusal ? Describe(_memory.Span, bytes) : bytes);

        public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default) =>
            inner.FlushAsync(cancellationToken);
        public override void CancelPendingFlush() => inner.CancelPendingFlush();
        public override void Complete(Exception? exception = null) => inner.Complete(exception);
    }
}
