using System.Diagnostics;
using System.Runtime.InteropServices;

namespace StackEnv.Merge.Benchmarks.Network;

/// <summary>Waits until a moment to within some microseconds: sleeps for most of the time and spins for the rest.</summary>
internal static partial class Alarm
{
    private const int SetTimerSlack = 29;

    // How late a sleep of the kernel ends at most when the machine is not busy.
    private static readonly long SpinTicks = Stopwatch.Frequency / 1_000_000 * 40;

    /// <summary>Has this thread woken when it asked to be, rather than together with others a little later.</summary>
    public static void BeAccurate()
    {
        if (OperatingSystem.IsLinux())
        {
            _ = ControlThread(SetTimerSlack, 1, 0, 0, 0);
        }
    }

    public static void WaitUntil(long timestamp)
    {
        while (timestamp - Stopwatch.GetTimestamp() - SpinTicks is > 0 and var rest)
        {
            if (OperatingSystem.IsWindows())
            {
                Thread.Sleep(0);
            }
            else
            {
                _ = Sleep(new() { Nanoseconds = (nint)Math.Min(999_999_999, rest * 1_000_000_000 / Stopwatch.Frequency) }, 0);
            }
        }

        while (Stopwatch.GetTimestamp() < timestamp)
        {
            Thread.SpinWait(10);
        }
    }

    [LibraryImport("libc", EntryPoint = "nanosleep")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Sleep(in TimeSpec time, nint rest);

    [LibraryImport("libc", EntryPoint = "prctl")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int ControlThread(int option, nuint value, nuint unused3, nuint unused4, nuint unused5);

    [StructLayout(LayoutKind.Sequential)]
    private struct TimeSpec
    {
        public nint Seconds;
        public nint Nanoseconds;
    }
}
