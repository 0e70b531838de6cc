using System.Diagnostics;

namespace StackEnv.Merge.Repository.Tests.Infrastructure;

/// <summary>A program that runs until it is disposed of.</summary>
public sealed class HostProcess(Process process) : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    /// <summary>The rest of the first line from here on that has this text in it, as soon as the program writes it.</summary>
    public async Task<string> AfterAsync(string text)
    {
        using var patience = new CancellationTokenSource(Patience);
        var seen = new List<string>();
        try
        {
            while (await process.StandardOutput.ReadLineAsync(patience.Token) is { } line)
            {
                seen.Add(line);
                if (line.IndexOf(text, StringComparison.Ordinal) is var index and >= 0)
                {
                    return line[(index + text.Length)..].Trim();
                }
            }

            seen.Add(await process.StandardError.ReadToEndAsync(patience.Token));
        }
        catch (OperationCanceledException)
        {
            seen.Add($"… and nothing more within {Patience}");
        }

        throw new InvalidOperationException($"The program wrote no line that says '{text}':\n{string.Join('\n', seen)}");
    }

    public async ValueTask DisposeAsync()
    {
        if (!process.HasExited)
        {
            process.Kill();
        }

        await process.WaitForExitAsync();
        process.Dispose();
    }
}
