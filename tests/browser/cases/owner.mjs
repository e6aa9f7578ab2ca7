// The owner's page.
export const CASES = [];
export async function ownerPage() { throw new Error("later"); }
