/**
 * The link to a control plane that is still starting: every question waits until there is one.
 *
 * In embedded mode the node comes first, so that it serves from its disk while the database is still opening.
 */
import type { ControlLink } from '#contracts/fleet/link.ts'

export class LateLink implements ControlLink {
  readonly #attached = Promise.withResolvers<ControlLink>()

  attach(link: ControlLink): void {
    this.#attached.resolve(link)
  }

  async snapshot(...args: Parameters<ControlLink['snapshot']>): Promise<string> {
    return (await this.#attached.promise).snapshot(...args)
  }

  async commits(...args: Parameters<ControlLink['commits']>): ReturnType<ControlLink['commits']> {
    return (await this.#attached.promise).commits(...args)
  }

  async secrets(...args: Parameters<ControlLink['secrets']>): ReturnType<ControlLink['secrets']> {
    return (await this.#attached.promise).secrets(...args)
  }

  async report(...args: Parameters<ControlLink['report']>): Promise<void> {
    return (await this.#attached.promise).report(...args)
  }

  async modelLists(...args: Parameters<ControlLink['modelLists']>): ReturnType<ControlLink['modelLists']> {
    return (await this.#attached.promise).modelLists(...args)
  }

  async leases(...args: Parameters<ControlLink['leases']>): ReturnType<ControlLink['leases']> {
    return (await this.#attached.promise).leases(...args)
  }
}
