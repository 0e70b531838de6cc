namespace StackEnv.Merge.Reliability.Tests.Soak;

/// <summary>Does one thing after the other to the hosts' connections, and now and then to the whole server.</summary>
internal sealed class SoakFaults(RestartableCluster cluster, IReadOnlyList<SoakCaller> callers, SoakLedger ledger, SoakDatabase database)
{
    private const int ServerFaultEvery = 30;
    private const int FirstServerFault = 5;
    private const int MostMessagesAway = 500;
    private const string AnySession = "SELECT pid FROM pg_stat_activity WHERE application_name = $1 ORDER BY state, random() LIMIT 1";

    /// <summary>How many there were of each kind.</summary>
    public Tally Faults { get; } = new();

    public async Task StrikeAsync(int number, Random random)
    {
        if (number % ServerFaultEvery == FirstServerFault)
        {
            await StrikeServerAsync(random);
            return;
        }

        var caller = callers[random.Next(callers.Count)];
        ledger.NoteHit(caller.Host);
        switch (random.Next(10))
        {
            case 0:
                Faults.Count("cancelled token");
                await caller.CancelAsync();
                break;

            case 1:
                Faults.Count("terminated session");
                await database.ScalarAsync<bool>($"SELECT pg_terminate_backend(({AnySession}))", caller.Host.Name);
                break;

            case 2:
                Faults.Count("cancelled query");
                await database.ScalarAsync<bool>($"SELECT pg_cancel_backend(({AnySession}))", caller.Host.Name);
                break;

            default:
                await StrikeWireAsync(caller.Host.Proxy, random);
                break;
        }
    }

    private async Task StrikeWireAsync(WireProxy proxy, Random random)
    {
        WireAction[] actions =
            [WireAction.Hold, WireAction.Blackhole, WireAction.Silence, WireAction.HalfClose, WireAction.Close, WireAction.Reset];
        var action = actions[random.Next(actions.Length)];
        Faults.Count(action.ToString());
        proxy.Arm(new(random.Next(2) == 0, random.Next(MostMessagesAway), random.Next(2) == 0 ? 0 : random.Next(1, int.MaxValue), action));
        await Task.WhenAny(proxy.Struck, Task.Delay(TimeSpan.FromSeconds(1)));
        await Task.Delay(TimeSpan.FromMilliseconds(random.Next(500)));
        proxy.Release(deliver: random.Next(2) == 0);

        // What the proxy keeps of closed connections is not the library's to free.
        proxy.ForgetProcesses();
    }

    private async Task StrikeServerAsync(Random random)
    {
        ledger.NoteOutage();
        switch (random.Next(3))
        {
            case 0:
                Faults.Count("killed process");
                await RestartableCluster.KillBackendAsync(await AnyProcessAsync(callers[random.Next(callers.Count)].Host));
                await cluster.WaitUntilReadyAsync();
                break;

            case 1:
                Faults.Count("fast restart");
                await cluster.StopAsync(ShutdownMode.Fast);
                await cluster.StartAgainAsync();
                break;

            default:
                Faults.Count("immediate restart");
                await cluster.StopAsync(ShutdownMode.Immediate);
                await cluster.StartAgainAsync();
                break;
        }

        ledger.NoteRecovery();
    }

    private async Task<int> AnyProcessAsync(SoakHost host)
    {
        int process;
        do
        {
            process = await database.ScalarAsync<int>(AnySession, host.Name);
        }
        while (process == 0);
        return process;
    }
}
