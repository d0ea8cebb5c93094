//! Languages by name, extension and shebang, with their comments.

/// A language.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) struct Language {
    pub(in super::super) name: &'static str,
    pub(in super::super) media_type: &'static str,
    /// Extensions, and whole file names after a `/`, in lower case.
    names: &'static [&'static str],
    /// What starts a comment that ends with its line.
    pub(super) line: &'static [&'static str],
    /// What starts and ends a comment of several lines.
    pub(super) block: &'static [(&'static str, &'static str)],
}

/// The language of a file, by its whole name or its extension, both in lower case.
pub(in super::super) fn by_name(name: &str, extension: &str) -> Option<&'static Language> {
    let fits = |entry: &&str| match entry.strip_prefix('/') {
        Some(whole) => whole == name,
        None => *entry == extension,
    };
    LANGUAGES.iter().find(|language| language.names.iter().any(fits))
}

/// The language that a script's first line asks for: `#!/usr/bin/env python3`.
pub(in super::super) fn by_shebang(head: &[u8]) -> Option<&'static Language> {
    let line = head.strip_prefix(b"#!")?.split(|&byte| byte == b'\n').next()?;
    let mut words = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
    let mut program = words.next()?;
    if program.ends_with("/env") {
        program = words.find(|word| !word.starts_with('-') && !word.contains('='))?;
    }
    let program = program.rsplit('/').next()?.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    let extension = match program {
        "sh" | "bash" | "zsh" | "dash" | "ksh" => "sh",
        "python" | "pypy" => "py",
        "node" | "deno" | "bun" => "js",
        "perl" => "pl",
        "ruby" => "rb",
        "php" => "php",
        "lua" | "luajit" => "lua",
        "Rscript" => "r",
        "make" => "mk",
        _ => return None,
    };
    by_name("", extension)
}

const SLASHES: &[&str] = &["//"];
const HASH: &[&str] = &["#"];
const DASHES: &[&str] = &["--"];
const NO_LINE: &[&str] = &[];
const STARS: &[(&str, &str)] = &[("/*", "*/")];
const ANGLES: &[(&str, &str)] = &[("<!--", "-->")];
const NO_BLOCK: &[(&str, &str)] = &[];

const fn language(
    name: &'static str,
    media_type: &'static str,
    names: &'static [&'static str],
    line: &'static [&'static str],
    block: &'static [(&'static str, &'static str)],
) -> Language {
    Language { name, media_type, names, line, block }
}

#[rustfmt::skip]
const LANGUAGES: &[Language] = &[
    language("Rust", "text/x-rust", &["rs"], SLASHES, STARS),
    language("Python", "text/x-python", &["py", "pyi", "pyw"], HASH, &[("\"\"\"", "\"\"\""), ("'''", "'''")]),
    language("JavaScript", "text/javascript", &["js", "mjs", "cjs", "jsx"], SLASHES, STARS),
    language("TypeScript", "text/x-typescript", &["ts", "mts", "cts", "tsx"], SLASHES, STARS),
    language("C", "text/x-c", &["c", "h"], SLASHES, STARS),
    language("C++", "text/x-c++", &["cc", "cpp", "cxx", "hh", "hpp", "hxx", "ipp"], SLASHES, STARS),
    language("C#", "text/x-csharp", &["cs"], SLASHES, STARS),
    language("Java", "text/x-java", &["java"], SLASHES, STARS),
    language("Kotlin", "text/x-kotlin", &["kt", "kts"], SLASHES, STARS),
    language("Scala", "text/x-scala", &["scala", "sc"], SLASHES, STARS),
    language("Groovy", "text/x-groovy", &["groovy", "gradle"], SLASHES, STARS),
    language("Swift", "text/x-swift", &["swift"], SLASHES, STARS),
    language("Objective-C", "text/x-objective-c", &["m", "mm"], SLASHES, STARS),
    language("Go", "text/x-go", &["go"], SLASHES, STARS),
    language("Dart", "text/x-dart", &["dart"], SLASHES, STARS),
    language("Zig", "text/x-zig", &["zig"], SLASHES, NO_BLOCK),
    language("D", "text/x-d", &["d"], SLASHES, STARS),
    language("Protocol Buffers", "text/x-protobuf", &["proto"], SLASHES, STARS),
    language("Thrift", "text/x-thrift", &["thrift"], &["//", "#"], STARS),
    language("PHP", "text/x-php", &["php"], &["//", "#"], STARS),
    language("Ruby", "text/x-ruby", &["rb", "/gemfile", "/rakefile"], HASH, &[("=begin", "=end")]),
    language("Perl", "text/x-perl", &["pl", "pm"], HASH, &[("=pod", "=cut"), ("=head", "=cut")]),
    language("Lua", "text/x-lua", &["lua"], DASHES, &[("--[[", "]]")]),
    language("R", "text/x-r", &["r"], HASH, NO_BLOCK),
    language("Julia", "text/x-julia", &["jl"], HASH, &[("#=", "=#")]),
    language("Haskell", "text/x-haskell", &["hs"], DASHES, &[("{-", "-}")]),
    language("Elm", "text/x-elm", &["elm"], DASHES, &[("{-", "-}")]),
    language("OCaml", "text/x-ocaml", &["ml", "mli"], NO_LINE, &[("(*", "*)")]),
    language("F#", "text/x-fsharp", &["fs", "fsx"], SLASHES, &[("(*", "*)")]),
    language("Erlang", "text/x-erlang", &["erl", "hrl"], &["%"], NO_BLOCK),
    language("Elixir", "text/x-elixir", &["ex", "exs"], HASH, NO_BLOCK),
    language("Clojure", "text/x-clojure", &["clj", "cljs", "cljc", "edn"], &[";"], NO_BLOCK),
    language("Lisp", "text/x-lisp", &["lisp", "el", "scm"], &[";"], &[("#|", "|#")]),
    language("Assembly", "text/x-asm", &["asm", "s"], &[";", "#", "//"], STARS),
    language("SQL", "application/sql", &["sql"], DASHES, STARS),
    language("GraphQL", "application/graphql", &["graphql", "gql"], HASH, &[("\"\"\"", "\"\"\"")]),
    language("Shell", "text/x-shellscript", &["sh", "bash", "zsh", "ksh", "bats"], HASH, NO_BLOCK),
    language("Fish", "text/x-fish", &["fish"], HASH, NO_BLOCK),
    language("PowerShell", "text/x-powershell", &["ps1", "psm1"], HASH, &[("<#", "#>")]),
    language("Batch", "text/x-batch", &["bat", "cmd"], &["rem ", "REM ", "::"], NO_BLOCK),
    language("Make", "text/x-makefile", &["mk", "/makefile", "/gnumakefile"], HASH, NO_BLOCK),
    language("CMake", "text/x-cmake", &["cmake", "/cmakelists.txt"], HASH, NO_BLOCK),
    language("Dockerfile", "text/x-dockerfile", &["/dockerfile", "/containerfile"], HASH, NO_BLOCK),
    language("Terraform", "text/x-hcl", &["tf", "hcl", "tfvars"], &["#", "//"], STARS),
    language("Nix", "text/x-nix", &["nix"], HASH, STARS),
    language("YAML", "application/yaml", &["yaml", "yml"], HASH, NO_BLOCK),
    language("TOML", "application/toml", &["toml", "/cargo.lock", "/poetry.lock"], HASH, NO_BLOCK),
    language("INI", "text/x-ini", &["ini", "cfg", "conf", "properties", "/.editorconfig"], &["#", ";"], NO_BLOCK),
    language("HTML", "text/html", &["html", "htm", "xhtml"], NO_LINE, ANGLES),
    language("XML", "application/xml", &["xml", "xsd", "xsl", "xslt", "plist"], NO_LINE, ANGLES),
    language("Vue", "text/x-vue", &["vue", "svelte"], SLASHES, &[("<!--", "-->"), ("/*", "*/")]),
    language("CSS", "text/css", &["css"], NO_LINE, STARS),
    language("Sass", "text/x-scss", &["scss", "sass", "less"], SLASHES, STARS),
];
