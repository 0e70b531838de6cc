using System.Runtime.CompilerServices;
using DiffPlex.DiffBuilder;
using DiffPlex.DiffBuilder.Model;
using Xunit.Sdk;

namespace StackEnv.Merge.Testing;

/// <summary>
/// Snapshots by the convention, and with the calling shape, of the library Verify: <c>Type.Method.verified.txt</c> lies beside the test and
/// is reviewed like code; a mismatch leaves <c>Type.Method.received.txt</c> there and shows the lines that differ.
/// </summary>
/// <remarks>To accept what was received, rename that file. A snapshot that does not exist yet fails too.</remarks>
public static class Verifier
{
    public static async Task Verify(string target, [CallerFilePath] string sourceFile = "", [CallerMemberName] string method = "")
    {
        ArgumentNullException.ThrowIfNull(target);
        var stem = Path.Combine(Path.GetDirectoryName(sourceFile)!, $"{Path.GetFileNameWithoutExtension(sourceFile)}.{method}");
        var verifiedFile = $"{stem}.verified.txt";
        var receivedFile = $"{stem}.received.txt";

        var received = target.ReplaceLineEndings("\n").TrimEnd() + "\n";
        var verified = File.Exists(verifiedFile) ? (await File.ReadAllTextAsync(verifiedFile)).ReplaceLineEndings("\n") : "";
        if (string.Equals(received, verified, StringComparison.Ordinal))
        {
            File.Delete(receivedFile);
            return;
        }

        await File.WriteAllTextAsync(receivedFile, received);
        throw new XunitException(
            $"{Path.GetFileName(verifiedFile)} differs (- verified, + received). If what was received is right, rename " +
            $"{Path.GetFileName(receivedFile)} to it.\n{Diff(verified, received)}");
    }

    private static string Diff(string verified, string received) =>
        string.Join('\n', InlineDiffBuilder.Diff(verified, received).Lines.Select(static line => line.Type switch
        {
            ChangeType.Inserted => $"+ {line.Text}",
            ChangeType.Deleted => $"- {line.Text}",
            _ => $"  {line.Text}",
        }));
}
