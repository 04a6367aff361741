import { noChange } from 'lit';
import { Directive, directive, type ElementPart } from 'lit/directive.js';

type Vars = Readonly<Record<`--${string}`, string | number>>;

/** Sets custom properties on an element through its style object, because the page's policy refuses style attributes. */
class SetVars extends Directive {
  override render(_vars: Vars): typeof noChange {
    return noChange;
  }

  override update({ element }: ElementPart, [vars]: [Vars]): typeof noChange {
    for (const [name, value] of Object.entries(vars)) (element as HTMLElement).style.setProperty(name, String(value));
    return noChange;
  }
}

export const vars = directive(SetVars);
