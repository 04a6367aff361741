/** Starts the console: defines its elements; `<curfew-app>` in index.html does the rest. */
import { restoreTheme } from './theme.js';
import './viewer/curfew-viewer.js';
import './app.js';

restoreTheme();
