import { engineContract } from './engine-contract.js';
import { openAttached } from './open-engine.js';

engineContract(openAttached);
