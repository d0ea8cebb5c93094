//! What a tool takes: types and bounds, as the manifest declares them and as a JSON Schema says them.

use serde_json::{Map, Number, Value, json};

use super::Pattern;
use super::check::{self, ParameterError};

/// The parameters of one tool.
#[derive(Debug, Clone, Default)]
pub struct Parameters {
    specs: Vec<ParameterSpec>,
}

impl Parameters {
    pub(super) fn new(specs: Vec<ParameterSpec>) -> Self {
        Self { specs }
    }

    /// The parameters in the manifest's order.
    pub fn iter(&self) -> impl Iterator<Item = &ParameterSpec> {
        self.specs.iter()
    }

    /// The parameter of this name.
    pub fn get(&self, name: &str) -> Option<&ParameterSpec> {
        self.specs.iter().find(|spec| spec.name == name)
    }

    /// The JSON Schema (2020-12) of the parameters object. It allows no parameter that the manifest does not have.
    pub fn json_schema(&self) -> Value {
        let mut schema = Map::from_iter([("type".to_owned(), json!("object"))]);
        insert_properties(&mut schema, &self.specs, false);
        Value::Object(schema)
    }

    /// Checks a parameters object and fills in the defaults. What comes out fits [`Parameters::json_schema`], and
    /// comes out unchanged when checked again. Whole numbers written as fractions (`3.0`) become whole where an
    /// integer is wanted.
    ///
    /// # Errors
    /// Everything that does not fit, at most twenty errors.
    pub fn check(&self, parameters: Value) -> Result<Value, Vec<ParameterError>> {
        check::parameters(&self.specs, parameters)
    }
}

/// One parameter, or one property of an object.
#[derive(Debug, Clone)]
pub struct ParameterSpec {
    /// Its name: 1 to 64 of `A-Z a-z 0-9 _ -`, starting with a letter or `_`.
    pub name: String,
    /// Whether it must be given. A required parameter has no default.
    pub required: bool,
    /// What its values look like.
    pub value: ValueSpec,
}

/// What a value looks like.
#[derive(Debug, Clone)]
pub struct ValueSpec {
    /// Its type.
    pub kind: ParameterType,
    /// What it means.
    pub description: Option<String>,
    /// What it is when it is left out. Fits everything else that is said here.
    pub default: Option<Value>,
    /// The values allowed (strings, integers or numbers); empty if all are.
    pub choices: Vec<Value>,
    /// The least number allowed.
    pub minimum: Option<Number>,
    /// The greatest number allowed.
    pub maximum: Option<Number>,
    /// The fewest characters allowed.
    pub min_length: Option<u64>,
    /// The most characters allowed.
    pub max_length: Option<u64>,
    /// What a string must match.
    pub pattern: Option<Pattern>,
    /// The fewest items allowed.
    pub min_items: Option<u64>,
    /// The most items allowed.
    pub max_items: Option<u64>,
    /// What an array's items look like; anything if absent.
    pub items: Option<Box<ValueSpec>>,
    /// The known properties of an object, in the manifest's order.
    pub properties: Vec<ParameterSpec>,
    /// Whether an object may have properties that are not known.
    pub additional_properties: bool,
}

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterType {
    /// Text.
    String,
    /// A whole number of 64 bits.
    Integer,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// A list.
    Array,
    /// A JSON object.
    Object,
}

impl ParameterType {
    /// The type's name, in the manifest as in JSON Schema.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Array => "array",
            Self::Object => "object",
        }
    }

    /// Whether values of the type can stand in a text: neither arrays nor objects can.
    pub fn is_scalar(self) -> bool {
        !matches!(self, Self::Array | Self::Object)
    }
}

impl ValueSpec {
    /// Any value of this type.
    pub(super) fn any(kind: ParameterType) -> Self {
        Self {
            kind,
            description: None,
            default: None,
            choices: Vec::new(),
            minimum: None,
            maximum: None,
            min_length: None,
            max_length: None,
            pattern: None,
            min_items: None,
            max_items: None,
            items: None,
            properties: Vec::new(),
            additional_properties: true,
        }
    }

    /// The JSON Schema (2020-12) of the value.
    pub fn json_schema(&self) -> Value {
        let mut schema = Map::from_iter([("type".to_owned(), json!(self.kind.as_str()))]);
        let mut insert = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                schema.insert(key.to_owned(), value);
            }
        };
        insert("description", self.description.clone().map(Value::from));
        insert("default", self.default.clone());
        insert("enum", (!self.choices.is_empty()).then(|| Value::from(self.choices.clone())));
        insert("minimum", self.minimum.clone().map(Value::from));
        insert("maximum", self.maximum.clone().map(Value::from));
        insert("minLength", self.min_length.map(Value::from));
        insert("maxLength", self.max_length.map(Value::from));
        insert("pattern", self.pattern.as_ref().map(|pattern| Value::from(pattern.as_str())));
        insert("minItems", self.min_items.map(Value::from));
        insert("maxItems", self.max_items.map(Value::from));
        insert("items", self.items.as_ref().map(|items| items.json_schema()));
        if !self.properties.is_empty() || !self.additional_properties {
            insert_properties(&mut schema, &self.properties, self.additional_properties);
        }
        Value::Object(schema)
    }
}

fn insert_properties(schema: &mut Map<String, Value>, specs: &[ParameterSpec], additional: bool) {
    let properties: Map<String, Value> =
        specs.iter().map(|spec| (spec.name.clone(), spec.value.json_schema())).collect();
    let required: Vec<_> = specs.iter().filter(|spec| spec.required).map(|spec| spec.name.as_str()).collect();
    schema.insert("properties".to_owned(), Value::Object(properties));
    if !required.is_empty() {
        schema.insert("required".to_owned(), json!(required));
    }
    if !additional {
        schema.insert("additionalProperties".to_owned(), Value::Bool(false));
    }
}
