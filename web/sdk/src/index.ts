/**
 * `@kubelt/sdk`: cores of Kubelt for browsers and Node.
 *
 * @module
 */

export * as format from './core/index.js'
