using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using Microsoft.Extensions.DependencyInjection;

namespace StackEnv.Merge.Repository.Tests;

/// <summary>Where what lives in <c>src/StackEnv.Merge</c>, and what may know what.</summary>
public sealed class ArchitectureTests
{
    private const string Root = "StackEnv.Merge";
    private const string Protocol = $"{Root}.Protocol";
    private const string Diagnostics = $"{Root}.Diagnostics";
    private const string Text = $"{Root}.Text";

    private const BindingFlags Static = BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;

    // Without what the compiler and its generators add.
    private static readonly Type[] Types = [.. typeof(StackEnvMerger).Assembly.GetTypes().Where(static type =>
        (type.IsPublic || type.Namespace?.StartsWith(Root, StringComparison.Ordinal) is true)
            && type.GetCustomAttribute<CompilerGeneratedAttribute>() is null)];

    [Fact]
    public void Public_types_are_in_the_root_namespace_and_internal_ones_in_those_of_their_folders()
    {
        var elsewhere = typeof(StackEnvMerger).Assembly.GetExportedTypes().Where(static type => type.Namespace is not Root);

        Assert.Equal([typeof(StackEnvMergeServiceCollectionExtensions)], elsewhere);
        Assert.DoesNotContain(
            Types, static type => type is { IsNested: false, IsPublic: false, Namespace: not (Protocol or Diagnostics or Text) });
    }

    [Fact]
    public void Each_type_has_a_file_of_its_own_in_the_folder_of_its_namespace()
    {
        var types = Types.Where(static type => !type.IsNested).Select(static type => FileOf(type));

        Assert.Equal(types.Order(StringComparer.Ordinal), Sources().Keys.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void No_merger_shares_anything_that_changes_with_another() =>
        Assert.DoesNotContain(
            Types.SelectMany(static type => type.GetFields(Static)), static field => field is { IsInitOnly: false, IsLiteral: false });

    [Theory]
    [InlineData(Protocol, Diagnostics)]
    [InlineData(Diagnostics, Protocol)]
    public void The_protocol_neither_logs_nor_measures_and_the_diagnostics_know_nothing_of_the_protocol(string these, string others)
    {
        var foreign = Types.Where(type => string.Equals(type.Namespace, others, StringComparison.Ordinal)).Select(static type => type.Name)
            .Append(these is Protocol ? @"Microsoft\.Extensions" : @"Npgsql\w*");
        var sources = Sources();

        Assert.All(
            Types.Where(type => !type.IsNested && string.Equals(type.Namespace, these, StringComparison.Ordinal)),
            type => Assert.DoesNotMatch($@"\b({string.Join('|', foreign)})\b", sources[FileOf(type)]));
    }

    [Fact]
    public void Only_the_merger_uses_the_protocol_and_text_uses_nothing_of_the_library()
    {
        var uses = Uses();

        Assert.All(uses.Where(static type => type.Key.Namespace is Root && type.Key != typeof(StackEnvMerger)), static type =>
            Assert.DoesNotContain(type.Value, static used => used.Namespace is Protocol or Diagnostics));
        Assert.All(uses.Where(static type => type.Key.Namespace is Text), static type =>
            Assert.All(type.Value, static used => Assert.Equal(Text, used.Namespace)));
    }

    [Fact]
    public void No_types_use_each_other_in_a_circle()
    {
        var uses = Uses();
        while (uses.FirstOrDefault(type => !type.Value.Exists(uses.ContainsKey)).Key is { } free)
        {
            uses.Remove(free);
        }

        Assert.Empty(uses.Keys);
    }

    [Fact]
    public void No_log_event_and_no_tag_has_room_for_a_key_or_a_value()
    {
        var logged = Types.Single(static type => type is { Namespace: Diagnostics, Name: "Log" }).GetMethods(Static)
            .SelectMany(static method => method.GetParameters())
            .Select(static parameter => $"{parameter.ParameterType.Name} {parameter.Name}");
        var tags = Types.Single(static type => type is { Namespace: Diagnostics, Name: "Telemetry" }).GetFields(Static)
            .Where(static field => field.Name.EndsWith("Tag", StringComparison.Ordinal))
            .Select(static field => (string?)field.GetRawConstantValue());

        Assert.Equal(
            [
                "Double elapsedMs", "Double lockTimeoutMs", "ILogger logger", "Int32 keysDeleted", "Int32 keysSet", "Int32 totalAfter",
                "StackRef stack", "String errorCode", "String problem", "String sqlState",
            ],
            logged.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal));
        Assert.Equal(
            [
                "error.type", "stackenv.merge.keys_deleted", "stackenv.merge.keys_set", "stackenv.merge.line.wait",
                "stackenv.merge.line.width", "stackenv.merge.outcome", "stackenv.stack.key", "stackenv.stack.owner",
            ],
            tags.Order(StringComparer.Ordinal));
        Assert.All(Sources(), static source => Assert.DoesNotMatch(
            @"\b(SetTag|AddTag|SetBaggage|AddEvent|AddException)\((?!Telemetry\.\w+Tag, )", source.Value));
    }

    // Which types each type's source names outside comments.
    private static Dictionary<Type, List<Type>> Uses()
    {
        var sources = Sources();
        var types = Types.Where(static type => !type.IsNested).ToList();
        return types.ToDictionary(static type => type, type =>
        {
            var code = Regex.Replace(sources[FileOf(type)], "//.*", "", RegexOptions.None, TimeSpan.FromSeconds(10));
            return types.FindAll(
                used => used != type && Regex.IsMatch(code, $@"\b{used.Name}\b", RegexOptions.None, TimeSpan.FromSeconds(10)));
        });
    }

    private static string FileOf(Type type) => type.Namespace is Protocol or Diagnostics or Text
        ? $"{type.Namespace[(Root.Length + 1)..]}/{type.Name}.cs"
        : $"{type.Name}.cs";

    private static Dictionary<string, string> Sources() => Document.Under($"src/{Root}", "*.cs").ToDictionary(
        static path =>
            path[$"src/{Root}/".Length..], static path => File.ReadAllText(Path.Combine(Document.Root, path)), StringComparer.Ordinal);
}
