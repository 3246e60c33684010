/**
 * The door: nothing is asked and nothing is shown before the admin token was taken.
 */
import { h } from './dom.ts'

/** @param enter returns why not; null: it is let in. */
export function signIn(why: string | null, enter: (token: string) => Promise<string | null>): HTMLElement {
  const field = h('input', {
    id: 'token',
    type: 'password',
    required: true,
    autocomplete: 'off',
    spellcheck: 'false',
    'aria-describedby': 'token-hint token-problem',
  })
  const problem = h('p', { id: 'token-problem', class: 'problem', role: 'alert' }, why)
  const submit = h('button', { type: 'submit', class: 'primary' }, 'Sign in')
  const onsubmit = (event: SubmitEvent): void => {
    event.preventDefault()
    const token = field.value.trim()
    if (token === '') {
      problem.textContent = 'Please give the admin token.'
      field.focus()
      return
    }
    submit.disabled = true
    problem.textContent = ''
    void enter(token).then((refused) => {
      submit.disabled = false
      if (refused === null) return
      problem.textContent = refused
      field.setAttribute('aria-invalid', 'true')
      field.select()
    })
  }
  return h(
    'main',
    { class: 'door' },
    h('h1', {}, 'APIProxy'),
    h(
      'form',
      { novalidate: true, on: { onsubmit } },
      h('label', { for: 'token' }, 'Admin token'),
      field,
      problem,
      submit,
      h(
        'p',
        { id: 'token-hint', class: 'hint' },
        'What APIPROXY_ADMIN_TOKEN says; npm start printed one on its first start and keeps it in the data folder, in admin-token. It stays in this tab and is forgotten with it.',
      ),
    ),
  )
}
