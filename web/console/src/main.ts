import { mount } from 'svelte'
import App from './App.svelte'
import './style/tokens.css'
import './style/base.css'
import './state/theme.svelte.js'

const target = document.getElementById('app')
if (target) mount(App, { target })

// Opens without a network from the second visit on. In development, what was built before must not answer.
if (import.meta.env.PROD && 'serviceWorker' in navigator) {
  navigator.serviceWorker.register(`${import.meta.env.BASE_URL}sw.js`).catch((error: unknown) => {
    console.info('the console will not open without a network:', error)
  })
}
