using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;

namespace StackEnv.Samples.Worker.Tests.Infrastructure;

/// <summary>The sample as its users start it: a process of its own.</summary>
public sealed class WorkerProcess : IAsyncDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    private readonly Process _process;
    private readonly Process _watcher;
    private readonly ConcurrentQueue<string> _output = new();

    private WorkerProcess(ProcessStartInfo start)
    {
        _process = Process.Start(start)!;
        _process.OutputDataReceived += (_, line) => _output.Enqueue(line.Data ?? "");
        _process.ErrorDataReceived += (_, line) => _output.Enqueue(line.Data ?? "");
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();

        // Ends the worker when this test run is itself killed, which closes the pipe that the watcher reads.
        _watcher = Process.Start(new ProcessStartInfo(
            "sh", ["-c", "read -r done || kill -s KILL \"$0\"", _process.Id.ToString(CultureInfo.InvariantCulture)])
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
    }

    public string Output => string.Join('\n', _output);

    /// <summary>Starts a worker and waits until it says that it has started.</summary>
    public static Task<WorkerProcess> StartAsync(params (string Name, string Value)[] settings) =>
        StartAsync("Application started", settings);

    /// <summary>Starts a worker and waits until it says this.</summary>
    public static async Task<WorkerProcess> StartAsync(string says, params (string Name, string Value)[] settings)
    {
        var start = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "StackEnv.Samples.Worker.dll")])
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var (name, value) in settings)
        {
            start.Environment[name] = value;
        }

        var worker = new WorkerProcess(start);
        await worker.SaysAsync(says);
        return worker;
    }

    /// <summary>Waits until the worker has printed this.</summary>
    public async Task SaysAsync(string text)
    {
        var started = Stopwatch.GetTimestamp();
        while (!Output.Contains(text, StringComparison.Ordinal))
        {
            Assert.True(
                Stopwatch.GetElapsedTime(started) < Limit && !_process.HasExited, $"The worker did not say '{text}', but:\n{Output}");
            await Task.Delay(10);
        }
    }

    /// <summary>SIGKILL: nothing in the process gets another turn.</summary>
    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync().WaitAsync(Limit);
    }

    /// <summary>SIGTERM, as a container's or a service's manager sends.</summary>
    /// <returns>The exit code.</returns>
    public async Task<int> StopAsync()
    {
        await SignalAsync("TERM");
        await _process.WaitForExitAsync().WaitAsync(Limit);
        return _process.ExitCode;
    }

    /// <summary>SIGSTOP: from the outside it cannot be told from a dead one.</summary>
    public Task FreezeAsync() => SignalAsync("STOP");

    /// <summary>SIGCONT: it goes on as if nothing had been.</summary>
    public Task ThawAsync() => SignalAsync("CONT");

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            await KillAsync();
        }

        await _watcher.StandardInput.WriteLineAsync("done");
        _watcher.StandardInput.Close();
        await _watcher.WaitForExitAsync();
        _watcher.Dispose();
        _process.Dispose();
    }

    private async Task SignalAsync(string signal)
    {
        using var kill = Process.Start("sh", ["-c", $"kill -s {signal} \"$0\"", _process.Id.ToString(CultureInfo.InvariantCulture)]);
        await kill.WaitForExitAsync();
    }
}
