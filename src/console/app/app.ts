import { html, LitElement, nothing, type TemplateResult } from 'lit';
import { customElement, state } from 'lit/decorators.js';
import icon from './icon.svg';
import { mayBook, session } from './context.js';
import './pages/account.js';
import './pages/admin-bookings.js';
import './pages/admin-robots.js';
import './pages/admin-rules.js';
import './pages/admin-users.js';
import './pages/bookings.js';
import './pages/calendar.js';
import './pages/redeem.js';
import './pages/register.js';
import './pages/robots.js';
import './pages/sign-in.js';
import './pages/watch.js';
import { isForAdmins, isOpen, routeOf, TITLES, type Route } from './router.js';
import { setTheme, theme, type Theme } from './theme.js';

const THEMES: Record<Theme, string> = { system: 'Auto', light: 'Light', dark: 'Dark' };

/** The frame around the pages: who is signed in, where one can go, and which page the fragment names. */
@customElement('curfew-app')
export class App extends LitElement {
  @state() private route: Route = this.#take();
  @state() private open = false;
  @state() private offline = !navigator.onLine;
  /** Where to go after signing in. */
  #next = '#/robots';

  protected override createRenderRoot(): this {
    return this;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    addEventListener('hashchange', this.#go);
    addEventListener('online', this.#onLine);
    addEventListener('offline', this.#onLine);
    session.addEventListener('change', this.#go);
    this.#go();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    removeEventListener('hashchange', this.#go);
    removeEventListener('online', this.#onLine);
    removeEventListener('offline', this.#onLine);
    session.removeEventListener('change', this.#go);
  }

  protected override render() {
    const signedIn = session.current !== null;
    return html`
      <header class="top" @keydown=${this.#onKey}>
        <a class="skip button" href=${location.hash || '#/'} @click=${this.#skip}>Skip to content</a>
        <a class="brand" href="#/"><img src=${icon} alt="" />Curfew</a>
        ${signedIn ? this.#navigation() : html`<div class="who">${this.#themes()}</div>`}
      </header>
      <div role="status">
        ${this.offline ? html`<p class="offline">This device is offline. What you see may be out of date.</p>` : nothing}
      </div>
      <main>${signedIn || isOpen(this.route) ? this.#page() : nothing}</main>
    `;
  }

  #page(): TemplateResult {
    const { route } = this;
    if (isForAdmins(route) && session.current?.user.role !== 'admin') return this.#closed(route);
    switch (route.page) {
      case 'sign-in':
        return html`<curfew-sign-in></curfew-sign-in>`;
      case 'register':
        return html`<curfew-register></curfew-register>`;
      case 'redeem':
        return html`<curfew-redeem .token=${route.token}></curfew-redeem>`;
      case 'robots':
        return html`<curfew-robots></curfew-robots>`;
      case 'calendar':
        return html`<curfew-calendar .robot=${route.robot}></curfew-calendar>`;
      case 'bookings':
        return html`<curfew-bookings></curfew-bookings>`;
      case 'account':
        return html`<curfew-account></curfew-account>`;
      case 'watch':
        return html`<curfew-watch .booking=${route.booking} .robotId=${route.robot}></curfew-watch>`;
      case 'admin-robots':
        return html`<curfew-admin-robots></curfew-admin-robots>`;
      case 'admin-users':
        return html`<curfew-admin-users></curfew-admin-users>`;
      case 'admin-bookings':
        return html`<curfew-admin-bookings></curfew-admin-bookings>`;
      case 'admin-rules':
        return html`<curfew-admin-rules></curfew-admin-rules>`;
      case 'unknown':
        return html`<div class="page"><h1 tabindex="-1">There is no such page</h1><p><a href="#/">To the robots</a></p></div>`;
    }
  }

  #closed({ page }: Route): TemplateResult {
    return html`
      <div class="page">
        <h1 tabindex="-1">${TITLES[page]}</h1>
        <p>This page is for administrators. Ask one for what you need, or for their role. <a href="#/">To the robots</a></p>
      </div>
    `;
  }

  #navigation(): TemplateResult {
    const admin = session.current?.user.role === 'admin';
    const link = (page: Route['page'], href: string, text: string) =>
      html`<a href=${href} aria-current=${this.route.page === page ? 'page' : nothing}>${text}</a>`;
    return html`
      <button type="button" class="menu" aria-expanded=${this.open ? 'true' : 'false'} aria-controls="menu" @click=${() => (this.open = !this.open)}>
        Menu
      </button>
      <div class="menu-body" id="menu" ?data-open=${this.open}>
        <nav aria-label="Pages">
          ${link('robots', '#/robots', 'Robots')} ${link('calendar', '#/calendar', 'Calendar')}
          ${mayBook() ? link('bookings', '#/bookings', 'My bookings') : nothing}
        </nav>
        ${admin
          ? html`<nav aria-label="Administration" class="admin">
              ${link('admin-bookings', '#/admin/bookings', 'Sessions')} ${link('admin-robots', '#/admin/robots', 'Fleet')}
              ${link('admin-users', '#/admin/users', 'People')} ${link('admin-rules', '#/admin/rules', 'Rules')}
            </nav>`
          : nothing}
        <div class="who">
          ${this.#themes()}
          <a class="account" title="Your account" href="#/account" aria-current=${this.route.page === 'account' ? 'page' : nothing}>
            <span class="unseen">Your account: </span><span>${session.current?.user.name}</span>
          </a>
          <button type="button" @click=${this.#signOut}>Sign out</button>
        </div>
      </div>
    `;
  }

  #themes(): TemplateResult {
    const chosen = theme();
    return html`
      <select class="themes" aria-label="Colours" title="Colours: auto follows the system" @change=${(event: Event) => setTheme((event.target as HTMLSelectElement).value as Theme)}>
        ${(Object.keys(THEMES) as Theme[]).map((one) => html`<option value=${one} ?selected=${one === chosen}>${THEMES[one]}</option>`)}
      </select>
    `;
  }

  #go = () => {
    const before = this.route.page;
    const route = this.#take();
    this.open = false;
    if (session.current === null && !isOpen(route)) {
      this.#next = location.hash || '#/robots';
      location.replace('#/sign-in');
      return;
    }
    if (session.current !== null && isOpen(route)) {
      location.replace(this.#next);
      this.#next = '#/robots';
      return;
    }
    this.route = route;
    this.requestUpdate();
    document.title = `${TITLES[route.page]} · Curfew`;
    if (before !== route.page) void this.#focusHeading();
  };

  /** Reads the address. A one-time link's token is taken out of it, and out of the history, before anything else happens. */
  #take(): Route {
    const route = routeOf(location.hash);
    if (route.page !== 'redeem') return route;
    if (route.token !== null) {
      history.replaceState(null, '', '#/redeem');
      session.end();
      return route;
    }
    return this.route?.page === 'redeem' ? this.route : route;
  }

  /** A new page begins at its heading, also for those who hear it. */
  async #focusHeading(): Promise<void> {
    await this.updateComplete;
    await new Promise(requestAnimationFrame);
    const field = this.querySelector<HTMLElement>('main [autofocus]');
    (field ?? this.querySelector<HTMLElement>('h1'))?.focus({ preventScroll: true });
    scrollTo(0, 0);
  }

  /** Whoever signs in next begins at the beginning; only a sign-in that ran out goes on where it was. */
  #signOut = () => {
    session.end();
    this.#next = '#/robots';
  };

  #onLine = () => {
    this.offline = !navigator.onLine;
  };

  #onKey = (event: KeyboardEvent) => {
    if (event.key !== 'Escape' || !this.open) return;
    this.open = false;
    this.querySelector<HTMLElement>('.menu')?.focus();
  };

  #skip = (event: Event) => {
    event.preventDefault();
    this.querySelector<HTMLElement>('h1')?.focus();
  };
}
