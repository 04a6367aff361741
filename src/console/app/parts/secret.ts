import { html, LitElement } from 'lit';
import { customElement, property, state } from 'lit/decorators.js';

/** A secret that is shown this once, with a button that copies it. */
@customElement('curfew-secret')
export class Secret extends LitElement {
  @property({ attribute: false }) value = '';
  @state() private said = '';

  protected override createRenderRoot(): this {
    return this;
  }

  protected override render() {
    return html`
      <div class="form">
        <code class="secret">${this.value}</code>
        <div class="row">
          <button type="button" @click=${this.#copy}>Copy</button>
          <span role="status" class="muted small">${this.said}</span>
        </div>
      </div>
    `;
  }

  #copy = async () => {
    try {
      await navigator.clipboard.writeText(this.value);
      this.said = 'Copied.';
    } catch {
      // Not over plain HTTP, for one: selecting it is what is left.
      getSelection()?.selectAllChildren(this.querySelector('code')!);
      this.said = 'Selected: copy it as you copy any text.';
    }
  };
}
