/** One thing that `doctor` looked at. */
import { isError } from '../../../common/realms.js'

export type Area = 'system' | 'native' | 'model' | 'storage' | 'environment' | 'hub'

export interface Finding {
  readonly area: Area
  readonly name: string
  /** `warning`: works, but not as well as it could; `problem`: something does not work. */
  readonly status: 'ok' | 'info' | 'warning' | 'problem'
  readonly detail: string
  /** What to do about it. */
  readonly advice?: string
}

/** A look at something. What goes wrong while looking is a finding, too: `doctor` never throws. */
export async function examine(
  area: Area,
  name: string,
  look: () => Promise<Finding[]> | Finding[],
): Promise<Finding[]> {
  try {
    return await look()
  } catch (error) {
    const detail = isError(error) ? error.message : String(error)
    return [{ area, name, status: 'problem', detail }]
  }
}
