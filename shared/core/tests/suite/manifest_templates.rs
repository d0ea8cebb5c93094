//! Templates, part by part.

use gantz_core::manifest::template::{Part, TemplateError, parts};

#[test]
fn templates_are_split_into_their_parts() {
    use Part::{Literal, Parameter};
    let check =
        |template: &str, expected: &[Part<'_>]| assert_eq!(parts(template).unwrap(), expected, "{template}");
    check("", &[]);
    check("plain", &[Literal("plain")]);
    check("{a}", &[Parameter("a")]);
    check(
        "/x/{a}/{b_c-2}?q",
        &[Literal("/x/"), Parameter("a"), Literal("/"), Parameter("b_c-2"), Literal("?q")],
    );
    check("{{a}}", &[Literal("{"), Literal("a"), Literal("}")]);
    check("ä{a}ö", &[Literal("ä"), Parameter("a"), Literal("ö")]);
    check("{a}}}", &[Parameter("a"), Literal("}")]);
}

#[test]
fn templates_that_cannot_be_read_say_why() {
    let check =
        |template: &str, expected: TemplateError| assert_eq!(parts(template), Err(expected), "{template}");
    check("{a", TemplateError::Unclosed);
    check("{{{a", TemplateError::Unclosed);
    check("a}", TemplateError::Unopened);
    check("{}", TemplateError::BadName { name: String::new() });
    check("{ a }", TemplateError::BadName { name: " a ".to_owned() });
    check("{1}", TemplateError::BadName { name: "1".to_owned() });
}
