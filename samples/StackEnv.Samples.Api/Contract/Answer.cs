using System.Text.Json.Serialization;

namespace StackEnv.Samples.Api.Contract;

/// <summary>Every success says so.</summary>
internal abstract record Answer
{
    [JsonPropertyOrder(-1)]
    public bool Ok => true;
}
