// A form for a JSON Schema, and the value that is in it.
//
//   const form = new SchemaForm(schema, defs);
//   fieldset.append(form.element);
//   form.read();      // the value; throws FieldProblem, with the field that is wrong
//
// What has no field of its own (maps, lists, anything) is written as JSON.

/** A field holds nothing that can be sent; `field` is what to put the focus on. */
export class FieldProblem extends Error {
  constructor(message, field) {
    super(message);
    this.field = field;
  }
}

let numbered = 0;

function make(tag, { text, ...properties } = {}, children = []) {
  const element = Object.assign(document.createElement(tag), properties);
  if (text !== undefined) element.textContent = text;
  element.append(...children);
  return element;
}

/** The schema that `schema` refers to, with what stands beside the reference. */
export function resolved(schema, defs) {
  let found = schema ?? {};
  while (found.$ref) {
    const { $ref, ...beside } = found;
    found = { ...defs[$ref.split("/").pop()], ...beside };
  }
  return found;
}

export class SchemaForm {
  #read;

  constructor(schema, defs) {
    const node = build(resolved(schema, defs), defs, "input", true);
    this.element = node.element;
    this.#read = node.read;
  }

  read() { return this.#read(); }
}

function build(schema, defs, name, required) {
  if (schema.const !== undefined) return chosen({ ...schema, enum: [schema.const] }, name);
  if (schema.enum) return chosen(schema, name);
  if (schema.anyOf) return anyOf(schema, defs, name);
  switch (schema.type) {
    case "boolean": return flag(schema, name);
    case "integer": case "number": return number(schema, name, required);
    case "string": return text(schema, name, required);
    case "object":
      if (schema.properties) return object(schema, defs, name);
      break;
    case "array":
      if (schema.prefixItems?.length && !schema.items) return tuple(schema, defs, name);
      break;
    case "null": return { element: make("span"), read: () => null };
    default:
  }
  return json(schema, name, required);
}

/** A label with its field; what bounds it stands beside the name. */
function labelled(name, field, { description = "", bounds = "" } = {}) {
  field.id = `field-${++numbered}`;
  field.dataset.name = name;
  const label = make("label", { htmlFor: field.id, text: name });
  if (bounds) label.append(make("span", { className: "bounds", text: ` ${bounds}` }));
  const element = make("div", { className: "field" }, [label, field]);
  if (description) {
    const note = make("span", { className: "note", id: `${field.id}-note`, text: description });
    field.setAttribute("aria-describedby", note.id);
    element.append(note);
  }
  return element;
}

function valid(field, name) {
  if (!field.checkValidity()) throw new FieldProblem(`${name}: ${field.validationMessage}`, field);
}

function chosen(schema, name) {
  const field = make("select", {}, schema.enum.map((value) =>
    make("option", { value: JSON.stringify(value), text: String(value) })));
  if (schema.default !== undefined) field.value = JSON.stringify(schema.default);
  return { element: labelled(name, field, schema), read: () => JSON.parse(field.value) };
}

function flag(schema, name) {
  const field = make("input", { type: "checkbox", checked: schema.default === true });
  const element = labelled(name, field, schema);
  element.classList.add("check");
  element.querySelector("label").prepend(field);
  return { element, read: () => field.checked };
}

function number(schema, name, required) {
  const whole = schema.type === "integer";
  const least = schema.minimum ?? (whole && schema.exclusiveMinimum !== undefined ? schema.exclusiveMinimum + 1 : undefined);
  const most = schema.maximum ?? (whole && schema.exclusiveMaximum !== undefined ? schema.exclusiveMaximum - 1 : undefined);
  const field = make("input", {
    type: "number", required: true, inputMode: whole ? "numeric" : "decimal",
    step: schema.multipleOf ?? (whole ? "1" : "any"),
    value: schema.default ?? (required ? Math.max(least ?? 0, Math.min(most ?? 0, 0)) : 0),
  });
  if (least !== undefined) field.min = least;
  if (most !== undefined) field.max = most;
  // The steps of a number field begin at its minimum: a value that is no step of it is refused.
  const bounds = least !== undefined && most !== undefined ? `${least} … ${most}`
    : least !== undefined ? `≥ ${least}` : most !== undefined ? `≤ ${most}` : "";
  return {
    element: labelled(name, field, { ...schema, bounds }),
    read() {
      valid(field, name);
      return field.valueAsNumber;
    },
  };
}

function text(schema, name) {
  const field = make("input", { type: "text", value: schema.default ?? "", spellcheck: false });
  if (schema.maxLength !== undefined) field.maxLength = schema.maxLength;
  if (schema.minLength) Object.assign(field, { minLength: schema.minLength, required: true });
  if (schema.pattern) field.pattern = `.*(?:${schema.pattern}).*`;
  const bounds = schema.maxLength === undefined ? "" : `${schema.minLength ?? 0} … ${schema.maxLength} characters`;
  return {
    element: labelled(name, field, { ...schema, bounds }),
    read() {
      valid(field, name);
      return field.value;
    },
  };
}

function group(name, schema, parts) {
  const element = make("fieldset", {}, [make("legend", { text: name })]);
  element.append(...parts.map((part) => part.element));
  return element;
}

function object(schema, defs, name) {
  const required = new Set(schema.required);
  const parts = Object.entries(schema.properties).map(([key, of]) =>
    [key, build(resolved(of, defs), defs, key, required.has(key))]);
  return {
    element: group(name, schema, parts.map(([, part]) => part)),
    read: () => Object.fromEntries(parts.map(([key, part]) => [key, part.read()])),
  };
}

function tuple(schema, defs, name) {
  const parts = schema.prefixItems.map((item, index) =>
    build(resolved(item, defs), defs, item.title ?? String(index), true));
  return { element: group(name, schema, parts), read: () => parts.map((part) => part.read()) };
}

/** One of several forms; `null` is one like any other. */
function anyOf(schema, defs, name) {
  const variants = schema.anyOf.map((each) => resolved(each, defs));
  const select = make("select", {}, variants.map((each, index) =>
    make("option", { value: index, text: each.type === "null" ? "nothing" : each.title ?? each.type ?? "any" })));
  const isNull = variants.findIndex((each) => each.type === "null");
  if (isNull >= 0 && (schema.default ?? null) === null) select.value = isNull;
  const built = variants.map((each) => build(each, defs, name, true));
  const place = make("div");
  const show = () => place.replaceChildren(variants[select.value].type === "null" ? "" : built[select.value].element);
  select.addEventListener("change", show);
  show();
  return {
    element: make("div", { className: "field" }, [labelled(`${name} is`, select, schema), place]),
    read: () => built[select.value].read(),
  };
}

function json(schema, name, required) {
  const empty = schema.type === "array" ? "[]" : schema.type === "object" ? "{}" : "null";
  const value = schema.default === undefined ? empty : JSON.stringify(schema.default);
  const field = make("textarea", { value, spellcheck: false, rows: 2, required });
  return {
    element: labelled(name, field, { ...schema, bounds: "JSON" }),
    read() {
      try {
        return JSON.parse(field.value);
      } catch {
        throw new FieldProblem(`${name} is not JSON`, field);
      }
    },
  };
}
