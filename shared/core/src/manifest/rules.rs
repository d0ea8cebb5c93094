//! What names in a manifest may look like.

/// A rule that a name keeps or breaks, and its wording.
pub(super) struct Rule {
    pub(super) what: &'static str,
    pub(super) expected: &'static str,
    pub(super) holds: fn(&str) -> bool,
}

/// The rule of MCP, so that every tool can be offered over it.
pub(super) const TOOL: Rule = Rule {
    what: "tool name",
    expected: "a tool's name is 1 to 64 of A-Z a-z 0-9 _ -",
    holds: |name| (1..=64).contains(&name.len()) && name.bytes().all(is_word),
};

/// A schedule's name becomes a name in EventBridge Scheduler.
pub(super) const SCHEDULE: Rule =
    Rule { what: "schedule name", expected: "a schedule's name is 1 to 64 of A-Z a-z 0-9 _ -", ..TOOL };

/// A trigger is named as a schedule is.
pub(super) const TRIGGER: Rule =
    Rule { what: "trigger name", expected: "a trigger's name is 1 to 64 of A-Z a-z 0-9 _ -", ..TOOL };

/// Behind `mcp.` it is a part of a handler's name.
pub(super) const MCP_SERVER: Rule = Rule {
    what: "server name",
    expected: "a server's name is 1 to 64 of A-Z a-z 0-9 _ -, and starts with a letter or `_`",
    holds: is_parameter_name,
};

/// A name that can be a flag of the command line, a hole in a template and a key in JSON.
pub(super) const PARAMETER: Rule = Rule {
    what: "parameter name",
    expected: "a parameter's name is 1 to 64 of A-Z a-z 0-9 _ -, and starts with a letter or `_`",
    holds: is_parameter_name,
};

/// The manifest's own name: it becomes part of stacks' and servers' names.
pub(super) const MANIFEST: Rule = Rule {
    what: "name",
    expected: "a manifest's name is 1 to 64 of A-Z a-z 0-9 . _ -, and starts with a letter",
    holds: |name| {
        (1..=64).contains(&name.len())
            && name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.bytes().all(|b| is_word(b) || b == b'.')
    },
};

/// Versions are shown and compared for equality, not ordered.
pub(super) const VERSION: Rule = Rule {
    what: "version",
    expected: "a version is 1 to 64 of A-Z a-z 0-9 . _ - +, such as `1.0.0`",
    holds: |name| {
        (1..=64).contains(&name.len()) && name.bytes().all(|b| is_word(b) || matches!(b, b'.' | b'+'))
    },
};

/// A handler: an identifier, or several joined by dots.
pub(super) const HANDLER: Rule = Rule {
    what: "handler",
    expected: "a handler is a name such as `my_tool` or `aws_lambda.invoke`",
    holds: |name| {
        name.len() <= 128
            && name.split('.').all(|part| {
                part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && part.bytes().all(is_word)
            })
    },
};

/// An environment variable's name, as POSIX has it, lower-case letters allowed.
pub(super) const VARIABLE: Rule = Rule {
    what: "environment variable",
    expected: "a variable's name is made of A-Z a-z 0-9 _ and does not start with a digit",
    holds: |name| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    },
};

/// An HTTP field name (RFC 9110, section 5.1).
pub(super) const HEADER: Rule = Rule {
    what: "header",
    expected: "a header's name is made of letters, digits and ! # $ % & ' * + - . ^ _ ` | ~",
    holds: |name| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
    },
};

pub(super) fn is_parameter_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(is_word)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// A full name in AWS's parameter store: <https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html>.
pub(super) fn is_ssm_parameter(name: &str) -> bool {
    let is_part = |part: &str| !part.is_empty() && part.bytes().all(|b| is_word(b) || b == b'.');
    let path = name.strip_prefix('/').filter(|_| name.len() <= 1_011);
    path.is_some_and(|path| path.split('/').all(is_part) && path.split('/').count() <= 15)
}
