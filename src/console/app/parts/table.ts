import { html, nothing, type TemplateResult } from 'lit';
import { repeat } from 'lit/directives/repeat.js';

export interface Column<Row> {
  head: string;
  cell: (row: Row) => unknown;
  /** The cell that says which row this is. */
  names?: boolean;
  /**
   * `free`: people's own, of any length and broken where it has to be; `tags`: the same, below each other rather than beside;
   * `whole`: stays in one line where there is room.
   */
  text?: 'free' | 'tags' | 'whole';
}

/**
 * A table with headers. On a narrow screen each row becomes a card, with the headers as labels; the roles say that it is a
 * table all the same.
 */
export function table<Row>(
  caption: string,
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  key: (row: Row) => string,
): TemplateResult {
  return html`
    <table role="table">
      <caption class="unseen">${caption}</caption>
      <thead role="rowgroup">
        <tr role="row">${columns.map(({ head }) => html`<th role="columnheader" scope="col">${head}</th>`)}</tr>
      </thead>
      <tbody role="rowgroup">
        ${repeat(rows, key, (row) => html`<tr role="row">${columns.map((column) => cell(column, row))}</tr>`)}
      </tbody>
    </table>
  `;
}

function cell<Row>({ head, cell, names, text }: Column<Row>, row: Row): TemplateResult {
  return names === true
    ? html`<th role="rowheader" scope="row">${cell(row)}</th>`
    : html`<td role="cell" class=${text === 'tags' ? 'free tags' : (text ?? nothing)} data-head=${head}><div class="cell">${cell(row)}</div></td>`;
}
