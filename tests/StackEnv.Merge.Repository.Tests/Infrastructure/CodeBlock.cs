using System.Text.RegularExpressions;

namespace StackEnv.Merge.Repository.Tests.Infrastructure;

/// <summary>A fenced block of code as a reader would copy it.</summary>
/// <param name="Place">Where it is.</param>
/// <param name="Text">Its code.</param>
/// <param name="Introduction">The page's text in front of it, from the end of the previous block of C#.</param>
public sealed partial record CodeBlock(CodeBlockPlace Place, string Text, string Introduction)
{
    /// <summary>The project that the page says to create for it, as the name of a <c>dotnet new</c> template.</summary>
    public string? Template => Created().Matches(Introduction).LastOrDefault()?.Groups["template"].Value;

    /// <summary>The packages that the page says to add for it.</summary>
    public IEnumerable<string> Packages => Added().Matches(Introduction).Select(static match => match.Groups["package"].Value).Distinct();

    [GeneratedRegex("dotnet new (?<template>\\w+)", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 10_000)]
    private static partial Regex Created();

    [GeneratedRegex("dotnet add package (?<package>[\\w.]+)", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 10_000)]
    private static partial Regex Added();
}
